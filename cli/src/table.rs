//! Tables for people. What a cell holds may come from elsewhere, so control characters are taken out.

use std::fmt;

#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    heads: usize,
    empty: &'static str,
    notes: Vec<String>,
}

impl Table {
    /// A row for each of several things, under these heads.
    pub(crate) fn list<const N: usize>(heads: [&str; N]) -> Self {
        let mut table = Self {
            heads: 1,
            ..Self::record()
        };
        table.row(heads);
        table
    }

    /// One thing: a row for each thing about it.
    pub(crate) fn record() -> Self {
        Self {
            rows: Vec::new(),
            heads: 0,
            empty: "",
            notes: Vec::new(),
        }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.into_iter().map(plain).collect());
    }

    /// What is printed in place of a list without rows.
    pub(crate) fn when_empty(&mut self, text: &'static str) {
        self.empty = text;
    }

    /// A line below the table.
    pub(crate) fn note(&mut self, text: &str) {
        self.notes.push(plain(text));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() == self.heads && !self.empty.is_empty() {
            writeln!(f, "{}", self.empty)?;
        } else {
            let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
            let width = |column: usize| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            };
            let widths: Vec<usize> = (0..columns).map(width).collect();
            for row in &self.rows {
                let mut line = String::new();
                for (cell, width) in row.iter().zip(&widths) {
                    line.push_str(&format!("{cell:<width$}  "));
                }
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_no_line_ends_in_spaces() {
        let mut table = Table::list(["ID", "NAME", "STATE"]);
        table.row(["1", "büro", "online"]);
        table.row(["22", "a longer name", ""]);
        table.note("two");
        assert_eq!(
            table.to_string(),
            "ID  NAME           STATE\n1   büro           online\n22  a longer name\ntwo\n"
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        let mut table = Table::list(["ID"]);
        table.when_empty("no scans");
        assert_eq!(table.to_string(), "no scans\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::record();
        table.row(["name", "x\x1b[2J\ny"]);
        assert_eq!(table.to_string(), "name  x?[2J?y\n");
    }
}
