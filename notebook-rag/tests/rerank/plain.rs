//! `BertForSequenceClassification`, one number after the other, in 64 bits: after the paper (Devlin et al., 2019) and
//! the formulas of its parts, and nothing of the crate.

use super::model::{HEADS, HIDDEN, LAYERS, Tensors};

/// A model that knows no speed.
pub(crate) struct Plain<'t>(pub(crate) &'t Tensors);

type Row = Vec<f64>;

impl Plain<'_> {
    fn get(&self, name: &str) -> Row {
        self.0[name].1.iter().map(|value| f64::from(*value)).collect()
    }

    fn layer(&self, name: &str) -> (Row, Row) {
        (self.get(&format!("{name}.weight")), self.get(&format!("{name}.bias")))
    }

    fn linear(&self, name: &str, x: &[f64]) -> Row {
        let (weight, bias) = self.layer(name);
        weight.chunks(x.len()).zip(bias).map(|(row, bias)| dot(row, x) + bias).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Row {
        let (weight, bias) = self.layer(name);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scaled = x.iter().map(|v| (v - mean) / (variance + 1e-12).sqrt());
        scaled.zip(weight).zip(bias).map(|((v, weight), bias)| v * weight + bias).collect()
    }

    fn embedding(&self, kind: &str, at: usize) -> Row {
        let all = self.get(&format!("bert.embeddings.{kind}_embeddings.weight"));
        all[at * HIDDEN..(at + 1) * HIDDEN].to_vec()
    }

    fn embedded(&self, at: usize, id: usize, second: usize) -> Row {
        let kind = self.embedding("token_type", usize::from(at >= second));
        let sum = add(&add(&self.embedding("word", id), &self.embedding("position", at)), &kind);
        self.norm("bert.embeddings.LayerNorm", &sum)
    }

    /// What each token takes of all others.
    fn attended(&self, layer: usize, x: &[Row]) -> Vec<Row> {
        let part = |which: &str| -> Vec<Row> {
            let name = format!("bert.encoder.layer.{layer}.attention.self.{which}");
            x.iter().map(|x| self.linear(&name, x)).collect()
        };
        let (queries, keys, values) = (part("query"), part("key"), part("value"));
        let size = HIDDEN / HEADS;
        let head = |at: usize, head: usize| -> Row {
            let range = head * size..(head + 1) * size;
            let weights: Row = keys
                .iter()
                .map(|key| dot(&queries[at][range.clone()], &key[range.clone()]))
                .map(|product| (product / (size as f64).sqrt()).exp())
                .collect();
            let all: f64 = weights.iter().sum();
            range.map(|i| weights.iter().zip(&values).map(|(w, v)| w / all * v[i]).sum()).collect()
        };
        (0..x.len()).map(|at| (0..HEADS).flat_map(|h| head(at, h)).collect()).collect()
    }

    fn block(&self, layer: usize, x: &[Row]) -> Vec<Row> {
        let name = |rest: &str| format!("bert.encoder.layer.{layer}.{rest}");
        let one = |(x, attended): (&Row, Row)| {
            let out = add(&self.linear(&name("attention.output.dense"), &attended), x);
            let middle = self.norm(&name("attention.output.LayerNorm"), &out);
            let wide = self.linear(&name("intermediate.dense"), &middle);
            let wide: Row = wide.into_iter().map(gelu).collect();
            let out = add(&self.linear(&name("output.dense"), &wide), &middle);
            self.norm(&name("output.LayerNorm"), &out)
        };
        x.iter().zip(self.attended(layer, x)).map(one).collect()
    }

    /// The one label's number.
    pub(crate) fn score(&self, ids: &[usize], second: usize) -> f64 {
        let embedded = |(at, id): (usize, &usize)| self.embedded(at, *id, second);
        let mut x: Vec<Row> = ids.iter().enumerate().map(embedded).collect();
        for layer in 0..LAYERS {
            x = self.block(layer, &x);
        }
        let pooled = self.linear("bert.pooler.dense", &x[0]);
        let pooled: Row = pooled.into_iter().map(f64::tanh).collect();
        self.linear("classifier", &pooled)[0]
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(a: &[f64], b: &[f64]) -> Row {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn gelu(x: f64) -> f64 {
    // The series of the error function: x stays small here.
    let z = x / std::f64::consts::SQRT_2;
    let (mut term, mut sum) = (z, z);
    for n in 1..80 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
}
