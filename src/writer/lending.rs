//! The sink is lent, not locked: nobody holds a lock while a file system takes its time.
//!
//! Who commits takes the sink away and brings it back, and so it can be told since when it is away, who waits can
//! give up, and a fork need not wait for a write that does not come back: its child makes itself another sink.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::sink::Sink;

/// Who has had the sink for longer waits for a file system that stalls.
pub(super) const STALLED: Duration = Duration::from_secs(5);

pub(super) struct Lending {
    state: Mutex<State>,
    returned: Condvar,
}

struct State {
    /// None while it is lent.
    sink: Option<Box<Sink>>,
    /// When it was lent last.
    since: Instant,
}

impl Lending {
    pub fn new(sink: Sink) -> Self {
        let state = State { sink: Some(Box::new(sink)), since: Instant::now() };
        Self { state: Mutex::new(state), returned: Condvar::new() }
    }

    /// Takes the sink, when it is there.
    pub fn borrow(&self) -> Lent<'_> {
        let mut state = self.state();
        loop {
            if let Some(sink) = state.lend() {
                return Lent { lending: self, sink: Some(sink) };
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the sink, if it is there.
    pub fn try_borrow(&self) -> Option<Lent<'_>> {
        let sink = self.state().lend()?;
        Some(Lent { lending: self, sink: Some(sink) })
    }

    /// Takes the sink away until [`Lending::bring_back`]; None if who has it waits for a file system that stalls.
    pub fn take_away(&self) -> Option<Box<Sink>> {
        let mut state = self.state();
        loop {
            if let Some(sink) = state.lend() {
                return Some(sink);
            }
            let left = STALLED.checked_sub(state.since.elapsed())?;
            state = self.returned.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub fn bring_back(&self, sink: Box<Sink>) {
        self.state().sink = Some(sink);
        self.returned.notify_one();
    }

    /// Waits for the sink, or for `timeout`; whether it is there.
    pub fn wait(&self, timeout: Duration) -> bool {
        let mut state = self.state();
        if state.sink.is_none() {
            state = self.returned.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
        }
        let is_there = state.sink.is_some();
        drop(state);
        if is_there {
            self.returned.notify_one(); // it was not taken: the next one may
        }
        is_there
    }

    /// Whether who has the sink waits for a file system that stalls.
    pub fn is_stalled(&self) -> bool {
        let state = self.state();
        state.sink.is_none() && state.since.elapsed() >= STALLED
    }

    /// In a forked child: changes what was inherited, `None` where somebody had it who is not in this process.
    pub fn inherit(&self, change: impl FnOnce(Option<Box<Sink>>) -> Box<Sink>) {
        let mut state = self.state();
        let sink = state.sink.take();
        state.sink = Some(change(sink));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn lend(&mut self) -> Option<Box<Sink>> {
        let sink = self.sink.take()?;
        self.since = Instant::now();
        Some(sink)
    }
}

/// A sink that goes back when this is dropped.
pub(super) struct Lent<'l> {
    lending: &'l Lending,
    sink: Option<Box<Sink>>,
}

impl Deref for Lent<'_> {
    type Target = Sink;

    fn deref(&self) -> &Sink {
        self.sink.as_ref().expect("taken only by `drop`")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Sink {
        self.sink.as_mut().expect("taken only by `drop`")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            self.lending.bring_back(sink);
        }
    }
}
