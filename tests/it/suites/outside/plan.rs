//! What a root of the storm does: blocks in one another, and what each of them writes. Random, by its task's dice.

use super::super::seed::Dice;

/// How rows are written.
#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// By a statement with parameters, always the same.
    Parameters,
    /// By one that takes the server a while.
    Slowly,
    /// By a statement with its values in its text, which is new to the server.
    Values,
    /// By a text of two statements.
    Batch,
}

#[derive(Debug)]
pub(super) enum Step {
    Put(i64, How),
    /// Several at once.
    Joined(Vec<(i64, How)>),
    Block(Block),
    /// Two blocks at once.
    Siblings(Block, Block),
}

impl Step {
    /// Whether its block cannot do without it: the first row of a root, or a batch, of which MySQL and MariaDB may have done
    /// the half.
    pub(super) fn must_succeed(&self) -> bool {
        let must = |(part, how): &(i64, How)| *part == 0 || matches!(how, How::Batch);
        match self {
            Self::Put(part, how) => must(&(*part, *how)),
            Self::Joined(puts) => puts.iter().any(must),
            Self::Block(_) | Self::Siblings(..) => false,
        }
    }
}

#[derive(Debug)]
pub(super) struct Block {
    /// Its number within its root.
    pub(super) number: i64,
    pub(super) steps: Vec<Step>,
    /// What fails within it does not keep it from its end.
    pub(super) is_careless: bool,
    /// It fails at its end, on purpose.
    pub(super) fails: bool,
}

#[derive(Debug)]
pub(super) struct Root {
    /// By `transaction`, in a task of its own, instead of `atomic`.
    pub(super) is_spawned: bool,
    pub(super) block: Block,
}

struct Planner<'d> {
    dice: &'d mut Dice,
    next_block: i64,
    next_part: i64,
}

impl Root {
    pub(super) fn roll(dice: &mut Dice) -> Self {
        let mut planner = Planner { dice, next_block: 0, next_part: 0 };
        let savepoints = 1 + planner.dice.below(3);
        let is_spawned = planner.dice.once_in(3);
        // The first row of all is what the others must not be there without.
        let first = planner.put_several();
        let mut block = planner.block(savepoints);
        block.steps.insert(0, first);
        Self { is_spawned, block }
    }
}

impl Planner<'_> {
    /// A block with so many levels of blocks in it.
    fn block(&mut self, levels: u64) -> Block {
        let number = self.next_block;
        self.next_block += 1;
        let mut steps = Vec::new();
        if self.dice.once_in(2) {
            steps.push(self.put_several());
        }
        if levels > 0 {
            let inner = self.block(levels - 1);
            steps.push(match self.dice.below(3) {
                0 => Step::Siblings(inner, self.block(0)),
                _ => Step::Block(inner),
            });
        }
        // A block in it may be the first and the last to write.
        if levels == 0 || self.dice.once_in(2) {
            steps.push(self.put_several());
        }
        let (is_careless, fails) = (self.dice.once_in(3), self.dice.once_in(6));
        Block { number, steps, is_careless, fails }
    }

    fn put_several(&mut self) -> Step {
        if self.dice.once_in(2) {
            let (part, how) = self.put();
            return Step::Put(part, how);
        }
        Step::Joined((0..2 + self.dice.below(3)).map(|_| self.put()).collect())
    }

    fn put(&mut self) -> (i64, How) {
        let part = self.next_part;
        self.next_part += 2;
        let how = match self.dice.below(6) {
            0 => How::Batch,
            1 => How::Values,
            2 => How::Slowly,
            _ => How::Parameters,
        };
        (part, how)
    }
}
