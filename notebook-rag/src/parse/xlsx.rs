//! Spreadsheets: each sheet a heading, each row that holds anything a table row.

use std::io::Cursor;

use calamine::{Data, DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use notebook_core::document::{Document, DocumentBuilder, Flag};

use super::table::is_formula;
use super::zip::{Archive, zip_failure};
use super::{FailureCode, Limits, ParseFailure};

/// Columns of a sheet, by the format's definition.
const MAX_COLUMNS: u32 = 16_384;

/// Cells come one by one, so that a far-away cell costs nothing; formulas are shown by
/// their last value.
pub(super) fn parse_xlsx(bytes: &[u8], limits: &Limits) -> Result<Document, ParseFailure> {
    let mut builder = DocumentBuilder::new(limits.text_bytes);
    let mut archive = Archive::open(bytes, limits)?;
    super::ooxml::read_package(&mut archive, &mut builder, limits)?;
    // The reader of the cells does not count what it inflates.
    archive.check_all()?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(xlsx_failure)?;
    let sheets: Vec<_> = book.sheets_metadata().to_vec();
    if sheets.len() > limits.pages as usize {
        return Err(FailureCode::TooManyPages.into());
    }
    for (number, sheet) in (1..).zip(&sheets) {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        builder.start_page(number)?;
        let before = builder.len();
        let mut rows = Rows::new(&mut builder, &sheet.name);
        let mut cells = book.worksheet_cells_reader(&sheet.name).map_err(xlsx_failure)?;
        while let Some(cell) = cells.next_cell().map_err(xlsx_failure)? {
            rows.cell(cell.get_position(), cell.get_value())?;
        }
        rows.end_row()?;
        if sheet.visible != SheetVisible::Visible && builder.len() > before {
            builder.flag(Flag::InvisibleText);
        }
    }
    Ok(builder.finish())
}

fn xlsx_failure(error: XlsxError) -> ParseFailure {
    match error {
        XlsxError::Password => FailureCode::PasswordProtected.into(),
        XlsxError::Zip(error) => zip_failure(error),
        other => ParseFailure::damaged(other),
    }
}

struct Rows<'d> {
    builder: &'d mut DocumentBuilder,
    /// Written before the first row, so that an empty sheet leaves nothing.
    heading: Option<&'d str>,
    row: u32,
    cells: Vec<String>,
}

impl<'d> Rows<'d> {
    fn new(builder: &'d mut DocumentBuilder, heading: &'d str) -> Self {
        let heading = Some(heading);
        Self { builder, heading, row: 0, cells: Vec::new() }
    }

    fn cell(&mut self, (row, column): (u32, u32), value: &DataRef<'_>) -> Result<(), ParseFailure> {
        let value = show(value);
        if value.trim().is_empty() || column >= MAX_COLUMNS {
            return Ok(());
        }
        if row != self.row {
            self.end_row()?;
            self.row = row;
        }
        if is_formula(&value) {
            self.builder.flag(Flag::FormulaCells);
        }
        let column = column as usize;
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        if let Some(cell) = self.cells.get_mut(column) {
            *cell = value;
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), ParseFailure> {
        if self.cells.is_empty() {
            return Ok(());
        }
        if let Some(heading) = self.heading.take() {
            self.builder.heading(2, heading)?;
        }
        self.builder.row(&self.cells)?;
        self.cells.clear();
        Ok(())
    }
}

/// A cell as the spreadsheet shows it, near enough: dates in ISO 8601.
fn show(value: &DataRef<'_>) -> String {
    match value {
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::DateTime(when) => show_date(when),
        other => Data::from(other.clone()).to_string(),
    }
}

fn show_date(when: &calamine::ExcelDateTime) -> String {
    if when.is_duration() {
        return when.as_f64().to_string();
    }
    let (year, month, day, hour, minute, second, _) = when.to_ymd_hms_milli();
    if (hour, minute, second) == (0, 0, 0) {
        return format!("{year:04}-{month:02}-{day:02}");
    }
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}
