//! Versions that comparisons let pass.

use vedette_scanner::template::{
    dsl::syntax::Expr,
    matcher::{Condense, Look},
    operators::Operators,
};

/// A version that meets what matchers demand of a name.
pub(crate) fn version_for(name: &str, operators: &Operators) -> Option<String> {
    let mut demands: Vec<String> = Vec::new();
    for matcher in &operators.matchers {
        let Look::Dsl(expressions) = &matcher.look else {
            continue;
        };
        for expression in expressions {
            let Condense::Parsed(expr) = expression else {
                continue;
            };
            let mut first = true;
            expr.walk(&mut |expr| {
                if let Expr::Call(call, arguments) = expr
                    && call == "compare_versions"
                    && matches!(arguments.first(), Some(Expr::Name(found)) if found == name)
                    && std::mem::take(&mut first)
                {
                    for argument in &arguments[1..] {
                        if let Expr::Literal(value) = argument {
                            let text = String::from_utf8_lossy(&value.to_text()).into_owned();
                            demands.extend(text.split(',').map(|demand| demand.trim().to_owned()));
                        }
                    }
                }
            });
        }
    }
    let numbers = |text: &str| -> Vec<i64> {
        text.trim_start_matches(|c: char| !c.is_ascii_digit())
            .split(['.', '-', '+'])
            .map(|number| number.parse().unwrap_or(0))
            .chain([0; 6])
            .take(6)
            .collect()
    };
    let meets = |candidate: &str| {
        demands.iter().all(|demand| {
            let order = numbers(candidate).cmp(&numbers(demand));
            match demand
                .trim_end_matches(|c: char| !"<>=!~".contains(c))
                .split(char::is_alphanumeric)
                .next()
                .unwrap_or("")
                .trim()
            {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                ">=" => order.is_ge(),
                "!=" => order.is_ne(),
                _ => order.is_eq(),
            }
        })
    };
    let named = demands.iter().map(|demand| {
        demand
            .trim_start_matches(|c: char| !c.is_ascii_digit())
            .to_owned()
    });
    // The last number of "1.5.0" raised: patterns read no more numbers than a version has.
    let next = named.clone().filter_map(|version| {
        let (rest, last) = version.rsplit_once('.')?;
        Some(format!("{rest}.{}", last.parse::<u32>().ok()? + 1))
    });
    let raised = named.clone().map(|version| format!("{version}.1"));
    let small = ["0.0.1", "0.1", "1.0", "0.1.0"].map(ToOwned::to_owned);
    let mut candidates = small.into_iter().chain(named).chain(next).chain(raised);
    if demands.is_empty() {
        None
    } else {
        candidates.find(|candidate| meets(candidate))
    }
}
