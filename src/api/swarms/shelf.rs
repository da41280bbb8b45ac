//! The repository of skills (spec genswarms B.1, M.7): a list, and one by its name.

use serde_json::{Value, json};

use crate::{
    admit::Caller,
    api::{
        App,
        request::{Fault, Request, Result, ok},
    },
    swarm::skills::{SkillError, SkillRow},
    wire::query,
};

/// `GET /api/skills?path=`: all below it; an empty list where there is no repository.
pub(in crate::api) fn list(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let sub = request.param("path").map_err(|_| fault(&SkillError::BadPath))?;
    let list = app.skills.list(sub.as_deref()).map_err(|error| fault(&error))?;
    let rows: Vec<Value> = list.skills.iter().map(row).collect();
    ok(&json!({ "skills": rows, "base_path": list.base_path, "count": list.skills.len() }))
}

fn row(skill: &SkillRow) -> Value {
    json!({ "name": skill.name, "relative_path": skill.relative_path, "category": skill.category })
}

/// `GET /api/skills/:name`: the name of one file, decoded once, with or without its ending.
pub(in crate::api) fn show(app: &App, _: &Caller, request: &Request<'_>) -> Result {
    let name = query::decode_text(request.id).ok_or_else(|| fault(&SkillError::BadName))?;
    let skill = app.skills.read(&name).map_err(|error| match error {
        // A name that leads out is a link in the repository.
        SkillError::BadPath => fault(&SkillError::BadName),
        other => fault(&other),
    })?;
    ok(&json!({ "name": skill.name, "content": skill.content, "size": skill.content.len() }))
}

fn fault(error: &SkillError) -> Fault {
    match error {
        SkillError::BadName | SkillError::BadEnd => {
            Fault::new(400, "invalid_skill_name", "Invalid skill name")
        }
        SkillError::BadPath => Fault::new(400, "invalid_path", "Invalid path"),
        SkillError::Missing => Fault::new(404, "skill_not_found", "Skill not found"),
        SkillError::TooLarge | SkillError::TooMany => {
            Fault::new(500, "skill_too_large", "Failed to read skill: it is too large")
        }
        SkillError::Twice(_) | SkillError::Full | SkillError::Unreadable => {
            Fault::new(500, "skill_unreadable", "Failed to read skill: it cannot be read")
        }
    }
}
