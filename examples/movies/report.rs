//! What the import came to: tables and a sentence for people, one line of JSON for programs.

use std::time::Duration;

use crate::{
    cost::Cost,
    import::Rejected,
    schema::Counts,
    table::{Align, Column, Table},
    text::grouped,
};

/// All that there is to tell.
pub(crate) struct Report<'f> {
    /// Where the films are now.
    pub(crate) database: String,
    pub(crate) rows: usize,
    pub(crate) rejected: Vec<Rejected<'f>>,
    pub(crate) counts: Counts,
    pub(crate) cost: Cost,
    pub(crate) elapsed: Duration,
}

impl Report<'_> {
    pub(crate) fn for_people(&self) -> String {
        [self.rejections(), self.summary(), self.savings()].concat()
    }

    /// One line, its end included.
    pub(crate) fn json(&self) -> String {
        let Self { database: _, rows, rejected, counts, cost, elapsed } = self;
        let Counts { films, directors, distributors } = counts;
        let Cost { statements, flights, steps_owed, steps_cancelled: _, steps_sent } = cost;
        let (rejected, elapsed_ms) = (rejected.len(), elapsed.as_millis());
        [
            format!(r#"{{"rows":{rows},"imported":{films},"rejected":{rejected},"#),
            format!(r#""directors":{directors},"distributors":{distributors},"#),
            format!(r#""statements":{statements},"flights":{flights},"#),
            format!(r#""steps_owed":{steps_owed},"steps_sent":{steps_sent},"elapsed_ms":{elapsed_ms}}}"#),
            "\n".to_owned(),
        ]
        .concat()
    }

    fn rejections(&self) -> String {
        if self.rejected.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            Column { head: "row", align: Align::Right, widest: 12 },
            Column { head: "title", align: Align::Left, widest: 28 },
            Column { head: "released", align: Align::Left, widest: 12 },
            Column { head: "rejected by the database, because", align: Align::Left, widest: 120 },
        ]);
        for Rejected { film, reason } in &self.rejected {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "—".to_owned());
            let (row, title, released) = (film.row.to_string(), or_dash(&film.title), or_dash(&film.released));
            table.push([&row, &title, &released, &reason.to_string()]);
        }
        format!("\n{}", table.render())
    }

    fn summary(&self) -> String {
        let Self { database, rows, rejected, counts, cost, elapsed } = self;
        let Counts { films, directors, distributors } = counts;
        let Cost { statements, flights, steps_owed, steps_cancelled, steps_sent } = cost;
        let line = |name: &str, number: u64| format!("  {name:<15}  {:>7}\n", grouped(number));
        [
            format!("\n  {} rows in {:.2} s, now in {database}\n\n", grouped(*rows as u64), elapsed.as_secs_f64()),
            line("imported", *films),
            line("rejected", rejected.len() as u64),
            line("directors", *directors),
            line("distributors", *distributors),
            "\n".to_owned(),
            line("statements", *statements),
            line("flights", *flights),
            line("steps owed", *steps_owed),
            line("steps cancelled", *steps_cancelled),
            line("steps sent", *steps_sent),
        ]
        .concat()
    }

    fn savings(&self) -> String {
        let (saved, one_by_one) = (self.cost.saved(), self.cost.one_by_one());
        format!(
            "\n  A round trip for each statement and each step would have been {}; {} of them ({} %) were saved.\n",
            grouped(one_by_one),
            grouped(saved),
            saved * 100 / one_by_one.max(1),
        )
    }
}
