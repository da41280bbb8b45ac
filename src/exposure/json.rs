//! The report as JSON, both ways: the instance writes it, `loopgate exposure` reads it.

use serde_json::{Value, json};

use super::{Kind, Report, Row};

impl Report {
    /// `{"rows":[..],"differences":n}`; a row as in `docs/exposure.md`.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_to_json).collect();
        json!({ "rows": rows, "differences": self.differences })
    }

    /// None unless it has the shape that [`Report::to_json`] writes.
    pub fn from_json(value: &Value) -> Option<Self> {
        let rows = value.get("rows")?.as_array()?.iter().map(row_from_json).collect::<Option<Vec<_>>>()?;
        // Counted here, not believed.
        let differences = rows.iter().filter(|row| row.difference.is_some()).count();
        Some(Self { rows, differences: u64::try_from(differences).ok()? })
    }
}

fn row_to_json(row: &Row) -> Value {
    json!({
        "kind": row.kind.word(),
        "process": row.process,
        "address": row.address,
        "purpose": row.purpose,
        "auth": row.auth,
        "default": row.default,
        "count": row.count,
        "declared": row.declared,
        "observed": row.observed,
        "difference": row.difference,
    })
}

fn row_from_json(value: &Value) -> Option<Row> {
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let kind = text("kind")?;
    Some(Row {
        kind: Kind::ALL.into_iter().find(|k| k.word() == kind)?,
        process: text("process")?,
        address: text("address")?,
        purpose: text("purpose")?,
        auth: text("auth")?,
        default: text("default")?,
        count: value.get("count")?.as_u64()?,
        declared: value.get("declared")?.as_bool()?,
        observed: value.get("observed")?.as_bool()?,
        difference: match value.get("difference")? {
            Value::Null => None,
            other => Some(other.as_str()?.to_owned()),
        },
    })
}
