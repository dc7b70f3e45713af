//! Which rows of a frame are wanted.

/// Which rows are wanted. Runs are chosen before a file is opened.
#[derive(Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Asked once for every tag name.
    pub tag: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// Sorted, disjoint ranges of steps, ends included.
    pub steps: Option<&'a [(i64, i64)]>,
    /// Range of wall times, ends included; NaN always passes.
    pub wall_time: Option<(f64, f64)>,
    /// Values of these plugins give no row of a summary frame.
    pub without_plugins: &'a [String],
    /// The number of events after which reading ends.
    pub limit: Option<u64>,
}

impl std::fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("tag", &self.tag.is_some())
            .field("steps", &self.steps)
            .field("wall_time", &self.wall_time)
            .field("without_plugins", &self.without_plugins)
            .field("limit", &self.limit)
            .finish()
    }
}

impl Filter<'_> {
    #[inline]
    /// Whether an event of this step and time is wanted.
    pub fn takes(&self, step: i64, wall_time: f64) -> bool {
        if let Some(steps) = self.steps {
            let after = steps.partition_point(|&(_, last)| last < step);
            if steps.get(after).is_none_or(|&(first, _)| first > step) {
                return false;
            }
        }
        // A NaN is neither before the first nor behind the last.
        self.wall_time.is_none_or(|(first, last)| !(wall_time < first || wall_time > last))
    }
}
