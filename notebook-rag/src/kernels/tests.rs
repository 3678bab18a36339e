use super::{quant::*, *};

/// Numbers that look random, between -1 and 1.
fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            f32::from(u16::try_from(state >> 16).unwrap()) / 32768.0 - 1.0
        })
        .collect()
}

/// erf by its series, in double precision.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    (sum * 2.0 / std::f64::consts::PI.sqrt()).clamp(-1.0, 1.0)
}

fn close(got: &[f32], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let bound = bound * want.abs().max(1.0);
        assert!((f64::from(*got) - want).abs() <= bound, "at {i}: {got} is not {want}");
    }
}

#[test]
fn gelu_is_exact_at_every_level() {
    let bias = noise(37, 1);
    let start: Vec<f32> = noise(37 * 8, 2).iter().map(|v| v * 5.0).collect();
    let want: Vec<f64> = start
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let x = f64::from(v + bias[i % 37]);
            0.5 * x * (1.0 + if x.abs() > 5.5 { x.signum() } else { erf(x / 2_f64.sqrt()) })
        })
        .collect();
    for level in supported() {
        let mut rows = start.clone();
        bias_gelu_at(level, &mut rows, &bias);
        close(&rows, &want, 1e-6);
    }
}

#[test]
fn gelu_of_extremes_is_finite() {
    for level in supported() {
        let mut rows = vec![-1e30, -90.0, -0.0, 0.0, 90.0, 1e30];
        bias_gelu_at(level, &mut rows, &[0.0]);
        assert_eq!(rows, [0.0, 0.0, 0.0, 0.0, 90.0, 1e30], "{level:?}");
    }
}

#[test]
fn softmax_is_exact_at_every_level() {
    let width = 45;
    let start: Vec<f32> = noise(width * 5, 3).iter().map(|v| v * 40.0).collect();
    let want: Vec<f64> = start
        .chunks(width)
        .flat_map(|row| {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let powers: Vec<f64> = row.iter().map(|v| (f64::from(v - top) * 0.25).exp()).collect();
            let sum: f64 = powers.iter().sum();
            powers.into_iter().map(move |p| p / sum)
        })
        .collect();
    for level in supported() {
        let mut rows = start.clone();
        softmax_at(level, &mut rows, width, 0.25);
        close(&rows, &want, 1e-6);
    }
}

#[test]
fn softmax_gives_masked_places_nothing() {
    for level in supported() {
        let mut row = vec![1.0, f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY];
        softmax_at(level, &mut row, 4, 1.0);
        close(&row, &[0.5, 0.0, 0.5, 0.0], 1e-7);
    }
}

#[test]
fn add_norm_is_exact_at_every_level() {
    let width = 50;
    let norm = Norm { weight: noise(width, 4), bias: noise(width, 5), epsilon: 1e-12 };
    let (start, bias, residual) = (noise(width * 3, 6), noise(width, 7), noise(width * 3, 8));
    let mut want = Vec::new();
    for (row, residual) in start.chunks(width).zip(residual.chunks(width)) {
        let sum: Vec<f64> = (0..width)
            .map(|i| f64::from(row[i]) + f64::from(bias[i]) + f64::from(residual[i]))
            .collect();
        let mean = sum.iter().sum::<f64>() / 50.0;
        let deviation = (sum.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 50.0 + 1e-12).sqrt();
        want.extend((0..width).map(|i| {
            (sum[i] - mean) / deviation * f64::from(norm.weight[i]) + f64::from(norm.bias[i])
        }));
    }
    for level in supported() {
        let mut rows = start.clone();
        add_norm_at(level, &mut rows, &bias, &residual, &norm);
        close(&rows, &want, 1e-5);
    }
}

#[test]
fn silu_is_exact_at_every_level() {
    let (start, up) = (noise(70, 9).iter().map(|v| v * 30.0).collect::<Vec<_>>(), noise(70, 10));
    let want: Vec<f64> = start
        .iter()
        .zip(&up)
        .map(|(g, u)| f64::from(*g) / (1.0 + (-f64::from(*g)).exp()) * f64::from(*u))
        .collect();
    for level in supported() {
        let mut gate = start.clone();
        silu_mul_at(level, &mut gate, &up);
        close(&gate, &want, 1e-6);
    }
}

/// Random nibbles with sensible scales.
fn q4_1(rows: usize, columns: usize) -> Vec<u8> {
    let noise = noise(rows * columns, 11);
    let mut out = Vec::new();
    for block in noise.chunks(BLOCK) {
        out.extend(half::f16::from_f32(0.01 + block[0].abs() / 50.0).to_le_bytes());
        out.extend(half::f16::from_f32(block[1] / 5.0).to_le_bytes());
        out.extend(block[..16].iter().map(|v| v.to_bits().to_le_bytes()[1]));
    }
    out
}

#[test]
fn quantised_products_agree_with_the_widened_weights() {
    let (rows, columns) = (7, 96);
    let x: Vec<f32> = noise(columns, 12);
    let mut rounded = Rounded::default();
    rounded.set(&x);
    let exact_x: Vec<f64> = rounded
        .bytes
        .iter()
        .enumerate()
        .map(|(i, b)| f64::from(*b) * f64::from(rounded.scales[i / BLOCK][0]))
        .collect();
    for (format, weights) in
        [(Format::Q4_1, q4_1(rows, columns)), (Format::Q8_0, to_q8_0(&noise(rows * columns, 13)))]
    {
        let mut wide = vec![0.0; rows * columns];
        widen(format, &weights, &mut wide);
        let mut portable_wide = vec![0.0; rows * columns];
        widen_portable(format, &weights, &mut portable_wide);
        assert_eq!(wide, portable_wide);
        let want: Vec<f64> = wide
            .chunks(columns)
            .map(|row| row.iter().zip(&exact_x).map(|(w, x)| f64::from(*w) * x).sum())
            .collect();
        for level in supported() {
            let mut out = vec![0.0; rows];
            row_products_at(level, format, &weights, &rounded, &mut out);
            close(&out, &want, 1e-5);
        }
    }
    // Rounding itself costs less than half a step of 1/127 a value.
    for (x, exact) in x.iter().zip(&exact_x) {
        assert!((f64::from(*x) - exact).abs() <= 0.5 / 127.0 + 1e-6);
    }
}

#[test]
fn q8_0_keeps_values_within_half_a_step() {
    let values = noise(64, 14);
    let mut back = vec![0.0; 64];
    widen(Format::Q8_0, &to_q8_0(&values), &mut back);
    for (value, back) in values.iter().zip(&back) {
        assert!((value - back).abs() <= 0.6 / 127.0, "{value} {back}");
    }
}

#[test]
fn products_of_matrices_are_right_with_strides() {
    let (a, b) = (noise(5 * 9, 15), noise(4 * 9, 16));
    let (a_view, b_view) = (Matrix::new(&a, 5, 7, 9), Matrix::new(&b, 4, 7, 9).transposed());
    let mut out = vec![7.0; 5 * 6];
    assert!(multiply(MatrixMut::new(&mut out, 5, 4, 6), a_view, b_view, 1));
    for i in 0..5 {
        let want: Vec<f64> = (0..4)
            .map(|j| (0..7).map(|k| f64::from(a[i * 9 + k]) * f64::from(b[j * 9 + k])).sum())
            .collect();
        close(&out[i * 6..i * 6 + 4], &want, 1e-5);
        assert_eq!(
            out[i * 6 + 4..i * 6 + 6],
            [7.0, 7.0],
            "what lies between the rows is untouched"
        );
    }
}

#[test]
fn products_of_matrices_that_do_not_fit_are_refused() {
    let (a, b, mut out) = ([0.0; 6], [0.0; 6], [1.0; 4]);
    assert!(!multiply(
        MatrixMut::new(&mut out, 2, 2, 2),
        Matrix::new(&a, 2, 3, 3),
        Matrix::new(&b, 2, 3, 3),
        1
    ));
    assert!(!multiply(
        MatrixMut::new(&mut out, 2, 2, 2),
        Matrix::new(&a, 2, 3, 4),
        Matrix::new(&b, 3, 2, 2),
        1
    ));
    assert!(!multiply(
        MatrixMut::new(&mut out, 2, 2, 3),
        Matrix::new(&a, 2, 3, 3),
        Matrix::new(&b, 3, 2, 2),
        1
    ));
    assert!(!multiply(
        MatrixMut::new(&mut out, 2, 2, 1),
        Matrix::new(&a, 2, 3, 3),
        Matrix::new(&b, 3, 2, 2),
        1
    ));
    assert_eq!(out, [1.0; 4]);
}
