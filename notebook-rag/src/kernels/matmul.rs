//! Matrix products through the `gemm` crate, with the extents checked.
#![allow(unsafe_code)] // gemm's only entry takes raw pointers; every extent is checked before.

use gemm::Parallelism;

/// A view of a matrix in a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `rows` rows of `columns` numbers, `row_stride` apart.
    pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// A view of a matrix that is written.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// `rows` rows of `columns` numbers, `row_stride` apart.
    pub(crate) fn new(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { data, rows, columns, row_stride }
    }
}

fn extent(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Option<usize> {
    let rows = rows.checked_sub(1)?.checked_mul(row_stride)?;
    let columns = columns.checked_sub(1)?.checked_mul(column_stride)?;
    rows.checked_add(columns)?.checked_add(1)
}

/// `out = a b`, on `threads` threads of the current rayon pool (1: on this thread).
///
/// Returns false, and writes nothing, when the shapes do not agree or a slice is too short.
#[must_use]
pub(crate) fn multiply(out: MatrixMut<'_>, a: Matrix<'_>, b: Matrix<'_>, threads: usize) -> bool {
    let fits = |rows, columns, row, column, len| {
        extent(rows, columns, row, column).is_some_and(|need| need <= len)
    };
    let shapes = a.columns == b.rows && out.rows == a.rows && out.columns == b.columns;
    // Rows that overlap would be written twice, by two threads.
    let apart = out.row_stride >= out.columns || out.rows == 1;
    if !shapes
        || !apart
        || !fits(a.rows, a.columns, a.row_stride, a.column_stride, a.data.len())
        || !fits(b.rows, b.columns, b.row_stride, b.column_stride, b.data.len())
        || !fits(out.rows, out.columns, out.row_stride, 1, out.data.len())
    {
        return false;
    }
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // Slices are never longer than isize::MAX bytes, and every stride lies within its slice.
    #[expect(clippy::cast_possible_wrap)]
    let stride = |n: usize| n as isize;
    // SAFETY: the shapes agree, and `extent` shows that every element gemm reads or writes lies
    // within its slice; `out` is borrowed mutably, so it overlaps neither input, and its rows do
    // not overlap each other. `read_dst` is false, so `out` is only written.
    unsafe {
        gemm::gemm(
            out.rows,
            out.columns,
            a.columns,
            out.data.as_mut_ptr(),
            1,
            stride(out.row_stride),
            false,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            0.0_f32,
            1.0_f32,
            false,
            false,
            false,
            parallelism,
        );
    }
    true
}
