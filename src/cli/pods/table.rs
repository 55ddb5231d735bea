//! Columns as kubectl prints them: left-aligned, three spaces between, none at a line's end.

use std::io::{self, Write};

const GAP: usize = 3;

pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// None: no header line.
    pub fn new(header: Option<&[&str]>) -> Table {
        Table { rows: header.map(|h| h.iter().map(|s| s.to_string()).collect()).into_iter().collect() }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Puts a column before all others; `name` is its header where there is one.
    pub fn first_column(&mut self, name: &str, cell: &str, header: bool) {
        for (i, row) in self.rows.iter_mut().enumerate() {
            row.insert(0, if header && i == 0 { name } else { cell }.into());
        }
    }

    pub fn print(&self, indent: &str, out: &mut dyn Write) -> io::Result<()> {
        self.lines(indent, &mut Vec::new(), out)
    }

    /// Below what was printed before, with the same `widths`, which grow where a cell is wider.
    pub fn print_on(&self, widths: &mut Vec<usize>, out: &mut dyn Write) -> io::Result<()> {
        self.lines("", widths, out)
    }

    fn lines(&self, indent: &str, widths: &mut Vec<usize>, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        widths.resize(columns.max(widths.len()), 0);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &self.rows {
            let mut line = indent.to_string();
            for (i, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if i + 1 < row.len() {
                    line.extend(std::iter::repeat_n(' ', widths[i] - cell.chars().count() + GAP));
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(Some(&["NAME", "READY", "STATUS"]));
        table.row(vec!["a-long-name".into(), "1/1".into(), "Running".into()]);
        table.row(vec!["b".into(), "0/1".into(), String::new()]);
        let mut out = Vec::new();
        table.print("", &mut out).unwrap();
        let want = "NAME          READY   STATUS\na-long-name   1/1     Running\nb             0/1\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
