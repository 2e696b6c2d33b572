//! What the model cannot know: where more than one thing may rightly come of a step, it is asked again for each of them.
//!
//! Used by the model. It must not know what is chosen.

/// The choices of one run of the model, and with them those of the next.
#[derive(Debug, Default)]
pub(super) struct Choices {
    /// What was chosen, of how many.
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    /// One of so many.
    pub(super) fn choose(&mut self, of: usize) -> usize {
        if self.at == self.taken.len() {
            self.taken.push((0, of));
        }
        self.at += 1;
        self.taken[self.at - 1].0
    }

    /// Begins the run that chooses otherwise, the last choices first; whether there is one.
    pub(super) fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.taken.pop() {
            if chosen + 1 < of {
                self.taken.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}
