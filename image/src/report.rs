//! What the build says: a line when a step starts, and at the end a table of what went in.

use std::{
    fmt::{self, Write as _},
    time::Instant,
};

/// Prints the steps with the time since the start.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(crate) fn step(&self, what: impl fmt::Display) {
        eprintln!("[{:6.1} s] {what}", self.start.elapsed().as_secs_f64());
    }
}

/// Parts with their sizes in bytes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<(String, String, u64)>,
}

impl Table {
    pub(crate) fn row(&mut self, part: impl Into<String>, detail: impl Into<String>, bytes: u64) {
        self.rows.push((part.into(), detail.into(), bytes));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&(String, String, u64)) -> &String| {
            self.rows
                .iter()
                .map(|row| column(row).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (parts, details) = (width(|row| &row.0), width(|row| &row.1));
        for (part, detail, bytes) in &self.rows {
            writeln!(f, "{part:parts$}  {detail:details$}  {:>10}", size(*bytes))?;
        }
        Ok(())
    }
}

fn size(bytes: u64) -> String {
    let mut text = String::new();
    let (whole, unit) = match bytes {
        0..1024 => (bytes * 10, "B  "),
        1024..1_048_576 => (bytes * 10 / 1024, "KiB"),
        _ => (bytes / (1_048_576 / 10), "MiB"),
    };
    write!(text, "{}.{} {unit}", whole / 10, whole % 10).expect("a String takes any text");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let mut table = Table::default();
        table.row("root", "squashfs", 20 << 20);
        table.row("kernel", "6.1", 1536);
        assert_eq!(
            table.to_string(),
            "root    squashfs    20.0 MiB\nkernel  6.1          1.5 KiB\n"
        );
    }
}
