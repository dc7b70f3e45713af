//! Templates: a record that was seen before, but for its value.
//!
//! A training loop writes the same few records over and over; only time, step and value differ. So a scalar's record
//! is compared, whole, with the record of that tag seen before, its *template*, as soon as time and step are off: if
//! all bytes but the value's are equal, so is all that a walk could find, and the walk is left out. Which template to
//! try is foretold by which one followed the last time. Whatever does not match is walked.

#![allow(clippy::missing_panics_doc)] // bytes that match a template are as long as it

use crate::event::walk::{Content, Value, Wire, fields, scalar_value};

/// Bytes compared at a time.
const BLOCK: usize = 32;
/// Records with more than this behind their step are walked.
const MAX_TEMPLATE_LEN: usize = 8 * BLOCK;
/// Templates that may be remembered; a file of ever new tags would fill the memory with them.
const MAX_TEMPLATES: usize = 4096;

/// Where a record's value stands.
#[derive(Clone, Copy, Debug)]
enum Hole {
    Float32(usize),
    Float64(usize),
    Exact(usize, usize),
}

/// A scalar's record behind its step: what stays the same, and where the value is.
#[derive(Debug)]
pub struct Template {
    len: usize,
    blocks: Vec<([u8; BLOCK], [u8; BLOCK])>,
    hole: Hole,
    /// The tag's view.
    pub tag: u128,
    /// Whether the tag is asked for.
    pub wanted: bool,
    epoch: u32,
    /// The template that came next the last time.
    follower: usize,
    /// Another template of this tag: with an exact value, or without.
    sibling: usize,
}

impl Template {
    fn new(suffix: &[u8], hole: Hole) -> Self {
        let mut mask = vec![0xff; suffix.len()];
        match hole {
            Hole::Float32(at) => mask[at..at + 4].fill(0),
            Hole::Float64(at) => mask[at..at + 8].fill(0),
            Hole::Exact(at, exact) => {
                mask[at..at + 4].fill(0);
                mask[exact..exact + 8].fill(0);
            }
        }
        let block = |bytes: &[u8]| {
            let mut block = [0; BLOCK];
            block[..bytes.len()].copy_from_slice(bytes);
            block
        };
        let blocks =
            suffix.chunks(BLOCK).zip(mask.chunks(BLOCK)).map(|(bytes, mask)| (block(bytes), block(mask)));
        let blocks = blocks.collect();
        Self { len: suffix.len(), blocks, hole, tag: 0, wanted: true, epoch: 0, follower: 0, sibling: 0 }
    }

    /// Whether `bytes`, of which `len` are the record's, are this template but for the value.
    #[inline]
    fn matches(&self, bytes: &[u8], len: usize) -> bool {
        if len != self.len {
            return false;
        }
        let (chunks, _) = bytes.as_chunks::<BLOCK>();
        if chunks.len() < self.blocks.len() {
            return false;
        }
        let mut differing = 0;
        for (chunk, (bytes, mask)) in chunks.iter().zip(&self.blocks) {
            for i in 0..BLOCK {
                differing |= (chunk[i] ^ bytes[i]) & mask[i];
            }
        }
        differing == 0
    }

    /// The value in bytes that match.
    #[inline]
    pub fn value(&self, bytes: &[u8]) -> f64 {
        let four = |at: usize| *bytes[at..].first_chunk::<4>().expect("within the template");
        let eight = |at: usize| *bytes[at..].first_chunk::<8>().expect("within the template");
        match self.hole {
            Hole::Float32(at) => f64::from(f32::from_le_bytes(four(at))),
            Hole::Float64(at) => f64::from_le_bytes(eight(at)),
            Hole::Exact(at, exact) => scalar_value(four(at), Some(eight(exact))),
        }
    }
}

/// A varint of up to eight bytes that `word` begins with: its value and length. `None` for longer ones.
#[inline]
pub fn short_varint(word: u64) -> Option<(u64, usize)> {
    let ends = !word & 0x8080_8080_8080_8080;
    if ends == 0 {
        return None;
    }
    let bits = ends.trailing_zeros() + 1;
    let x = word & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
    let x = (x & 0x007f_007f_007f_007f) | ((x & 0x7f00_7f00_7f00_7f00) >> 1);
    let x = (x & 0x0000_3fff_0000_3fff) | ((x & 0x3fff_0000_3fff_0000) >> 2);
    let x = (x & 0x0fff_ffff) | ((x & 0x0fff_ffff_0000_0000) >> 4);
    Some((x, bits as usize / 8))
}

/// The templates of all tags, and what is expected next.
#[derive(Debug)]
pub struct Templates {
    known: Vec<Template>,
    previous: usize,
    foretold: usize,
    epoch: u32,
}

impl Default for Templates {
    fn default() -> Self {
        // The first template is nobody's: it has a length that no record has.
        let nobody = Template { len: usize::MAX, ..Template::new(&[0; 4], Hole::Float32(0)) };
        Self { known: vec![nobody], previous: 0, foretold: 0, epoch: 0 }
    }
}

impl Templates {
    /// Begins a run: what a tag of another run looked like says nothing of its metadata here.
    pub fn begin_run(&mut self) {
        self.epoch += 1;
    }

    /// The template of the record whose bytes behind the step are the first `len` of `suffix`.
    #[inline]
    pub fn matching(&mut self, suffix: &[u8], len: usize) -> Option<&Template> {
        let mut template = &self.known[self.foretold];
        if !template.matches(suffix, len) {
            self.foretold = template.sibling;
            template = &self.known[self.foretold];
            if !template.matches(suffix, len) {
                return None;
            }
        }
        if template.epoch != self.epoch {
            return None;
        }
        self.previous = std::mem::replace(&mut self.foretold, template.follower);
        Some(template)
    }

    /// Remembers what a scalar's record looks like, if it is nothing but time, step and that one value, whose number
    /// is `source`. `of_tag` are the templates of its tag.
    pub fn learn(
        &mut self,
        of_tag: &mut Vec<usize>,
        (tag, wanted): (u128, bool),
        payload: &[u8],
        value: &Value<'_>,
        source: &[u8],
    ) {
        let Some(suffix) = only_value(payload) else { return };
        let place = |part: &[u8]| (part.as_ptr() as usize).checked_sub(suffix.as_ptr() as usize);
        let Some(at) = place(source).filter(|at| at + source.len() <= suffix.len()) else { return };
        let hole = match (source.len(), value.exact) {
            (4, Some(exact)) if matches!(value.content, Content::Simple(_)) => match place(exact) {
                Some(exact) => Hole::Exact(at, exact),
                None => return,
            },
            (4, _) => Hole::Float32(at),
            (8, _) => Hole::Float64(at),
            _ => return,
        };
        let known = of_tag.iter().copied().find(|&known| {
            let mut padded = [0; MAX_TEMPLATE_LEN];
            padded[..suffix.len()].copy_from_slice(suffix);
            self.known[known].matches(&padded, suffix.len())
        });
        let number = known.unwrap_or(self.known.len());
        if known.is_none() {
            if number == MAX_TEMPLATES {
                return;
            }
            let sibling = of_tag.last().copied().unwrap_or_default();
            of_tag.push(number);
            self.known.push(Template { tag, wanted, sibling, ..Template::new(suffix, hole) });
            self.known[of_tag[0]].sibling = number;
        }
        self.known[number].epoch = self.epoch;
        // What stood here instead of the foretold is what follows from now on.
        let previous = std::mem::replace(&mut self.previous, number);
        self.known[previous].follower = number;
        self.foretold = self.known[number].follower;
    }
}

/// The suffix of a payload that is a time, perhaps a step, and a summary of one value, which the suffix is.
fn only_value(payload: &[u8]) -> Option<&[u8]> {
    let rest = payload.strip_prefix(&[0x09])?.get(8..)?;
    let suffix = match rest.strip_prefix(&[0x10]) {
        Some(step) => &step[step.iter().position(|&byte| byte < 0x80)? + 1..],
        None => rest,
    };
    let whole = |message: &[u8], number: u32| {
        let mut fields = fields(message);
        match (fields.next(), fields.next()) {
            (Some(Ok((found, Wire::Len(inside)))), None) if found == number => Some(inside.len()),
            _ => None,
        }
    };
    let summary = whole(suffix, 5)?;
    whole(&suffix[suffix.len() - summary..], 1)?;
    (suffix.len() <= MAX_TEMPLATE_LEN).then_some(suffix)
}
