//! `calculate`: what an expression comes to.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    graph::Failure,
    tools::{At, Observation, Tool, ToolInfo},
};

/// The longest expression, in bytes.
const LONGEST: usize = 1_000;
/// Brackets within brackets, and signs and functions one before the other.
const DEEPEST: usize = 50;

/// Computes expressions of numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calculate;

/// What to compute.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// Numbers, + - * / ^ and brackets, and the functions abs, sqrt, cbrt, exp, ln, log2, log10, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh,
    /// floor, ceil, round, trunc, min(a, b), max(a, b), with the constants PI and E. For example: (3.5 + 4) * 2 ^ 10. Write 2 * 10 ^ 3, not 2e3, and
    /// put brackets around powers of powers, and where a sign stands before a power: -(2 ^ 2) or (-2) ^ 2.
    #[schemars(length(min = 1, max = 1000))]
    expression: String,
}

#[async_trait]
impl Tool for Calculate {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo {
            reads: None,
            ..ToolInfo::new(
                "calculate",
                "Computes an arithmetic expression exactly as far as double precision goes. Use it for every sum, product or percentage \
                 rather than computing in your head.",
            )
        }
    }

    async fn call(&self, _: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let value = calculate(&arguments.expression)?;
        Ok(Observation::text(show(value)))
    }
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new("bad_arguments", message)
}

/// What an expression comes to, in double precision: bounded in length and depth, so that none takes long. What people and programs read in
/// two ways (`-2 ^ 2`, `2 ^ 3 ^ 2`) is refused, for a wrong number would look like a right one.
///
/// # Errors
/// `bad_arguments` when it is none, may be read in two ways, or no finite number comes out.
pub fn calculate(expression: &str) -> Result<f64, Failure> {
    check(expression)?;
    check_powers(expression)?;
    let value: f64 = exmex::eval_str(expression)
        .map_err(|error| bad(error.to_string().chars().take(300).collect::<String>()))?;
    if value.is_finite() {
        return Ok(value);
    }
    Err(bad(
        "no finite number comes out: see whether something is divided by zero, or grows too large",
    ))
}

fn check(expression: &str) -> Result<(), Failure> {
    if expression.len() > LONGEST {
        return Err(bad(format!("the expression is over {LONGEST} bytes")));
    }
    // The parser takes any letters as names; there are none but the functions.
    let known =
        |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+-*/^().,".contains(c);
    if let Some(other) = expression.chars().find(|c| !known(*c)) {
        return Err(bad(format!("{other:?} is nothing that can be computed with")));
    }
    let (mut depth, mut deepest, mut signs) = (0_usize, 0, 0_usize);
    for c in expression.chars() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| bad("a bracket closes that was not opened"))?
            }
            _ => {}
        }
        signs = match c {
            '+' | '-' => signs + 1,
            c if c.is_whitespace() || c == '(' => signs,
            _ => 0,
        };
        deepest = deepest.max(depth).max(signs);
    }
    if depth > 0 {
        return Err(bad("a bracket is not closed"));
    }
    if deepest > DEEPEST {
        return Err(bad(format!("it is nested more than {DEEPEST} deep")));
    }
    Ok(())
}

/// Numbers, names, and all else one by one.
fn tokens(expression: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '.';
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) { rest.find(|c| !is_word(c)) } else { Some(1) };
        let (token, tail) = rest.split_at(length.unwrap_or(rest.len()));
        tokens.push(token);
        rest = tail.trim_start();
    }
    tokens
}

/// Refuses a power whose base has a sign, a function or another power before it without brackets.
fn check_powers(expression: &str) -> Result<(), Failure> {
    let tokens = tokens(expression);
    let is_name = |token: &str| token.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_operand =
        |token: &str| token.starts_with(|c: char| c.is_ascii_alphanumeric() || ".)".contains(c));
    let at = |place: Option<usize>| place.and_then(|place| tokens.get(place)).copied();
    // Where the operand that ended last begins, and where the brackets that are open do.
    let (mut begin, mut open) = (0, Vec::new());
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1);
        match *token {
            // With the function that it belongs to.
            "(" => open.push(before.filter(|_| at(before).is_some_and(is_name)).unwrap_or(place)),
            ")" => begin = open.pop().unwrap_or_default(),
            "^" => {
                let before = begin.checked_sub(1);
                let sign = matches!(at(before), Some("+" | "-"))
                    && !at(before.and_then(|place| place.checked_sub(1))).is_some_and(is_operand);
                if sign || at(before).is_some_and(|token| token == "^" || is_name(token)) {
                    return Err(bad(
                        "this power can be read in two ways: put brackets around its base with what stands before it, or around the power, as in \
                         (-2) ^ 2, -(2 ^ 2), 2 ^ (3 ^ 2)",
                    ));
                }
            }
            other if is_operand(other) => begin = place,
            _ => {}
        }
    }
    Ok(())
}

/// The first whole number that has a neighbour which is none in double precision.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// As a person writes it: 0.3 where 0.1 and 0.2 were added; whole numbers with all their digits as long as these are known.
fn show(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < WHOLE {
        // Without the sign of a zero.
        return (value + 0.0).to_string();
    }
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    if rounded != 0.0 && !(1e-6..1e15).contains(&rounded.abs()) {
        return format!("{rounded:e}");
    }
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn d3_calculates_as_people_do() {
        for (expression, value) in [
            ("1 + 2 * 3", "7"),
            ("(1+2)*3", "9"),
            ("0.1 + 0.2", "0.3"),
            ("2 ^ 10", "1024"),
            ("-3 + 5", "2"),
            ("10 / 4", "2.5"),
            ("sqrt(2) ^ 2", "2"),
            ("max(3, 7) - min(3, 7)", "4"),
            ("2 * 10 ^ 3", "2000"),
            ("12.5 / 100 * 80", "10"),
            ("7 - 3 - 2", "2"),
            ("round(2.6)", "3"),
            ("2 ^ 200", "1.60693804425899e60"),
            ("ln(E)", "1"),
            ("94906265 * 94906265", "9007199136250225"),
            ("10 ^ 15 + 1", "1000000000000001"),
            ("0 * -1", "0"),
        ] {
            assert_eq!(calculate(expression).map(show), Ok(value.to_owned()), "{expression}");
        }
    }

    /// D3: what is read in two ways is never a number: programs differ by a sign or by orders of magnitude.
    #[test]
    fn d3_powers_that_are_read_in_two_ways_are_refused() {
        for expression in [
            "-2^2",
            "- 2 ^ 2",
            "3 * -2 ^ 2",
            "(-2^2)",
            "max(1, -2^2)",
            "-(1 + 1)^2",
            "-sqrt(4)^2",
            "2^3^2",
            "2 ^ (1 + 2) ^ 2",
            "2 ^ -1 ^ 2",
            "1 - -2^2",
            "sin 2 ^ 2",
        ] {
            let failure = calculate(expression).unwrap_err();
            assert!(failure.message.contains("two ways"), "{expression}: {failure}");
        }
        for (expression, value) in [
            ("(-2)^2", "4"),
            ("-(2^2)", "-4"),
            ("3 - 2^2", "-1"),
            ("(1) - 2^2", "-3"),
            ("2^-1", "0.5"),
            ("2^(3^2)", "512"),
            ("(2^3)^2", "64"),
            ("sqrt(16)^2", "16"),
            ("1 + sqrt(16)^2", "17"),
            ("2^3 * 2^2", "32"),
            ("2 * PI^0", "2"),
        ] {
            assert_eq!(calculate(expression).map(show), Ok(value.to_owned()), "{expression}");
        }
    }

    #[test]
    fn d3_hostile_expressions_are_refused_quickly() {
        let deep = format!("{}1{}", "(".repeat(400), ")".repeat(400));
        let signs = format!("{}1", "-".repeat(900));
        let powers = "9^9^9^9^9^9^9^9";
        let long = "1+".repeat(100_000) + "1";
        for expression in [
            &deep, &signs, powers, &long, "1/0", "0/0", "", "   ", "(", ")(", "x + 1", "{a}",
            "1 2", "sqrt(-1)", "🦀", "1,2", "()",
        ] {
            let failure = calculate(expression).unwrap_err();
            assert_eq!(failure.code, "bad_arguments", "{expression:.40}");
            assert!(failure.message.len() < 700);
        }
    }

    proptest! {
        #[test]
        fn anything_is_a_number_or_a_failure(text in "[0-9a-z+*/^()., -]{0,60}") {
            if let Ok(value) = calculate(&text) {
                prop_assert!(value.is_finite());
            }
        }
    }
}
