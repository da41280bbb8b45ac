//! M.7: the repository of skills.

use std::fs;

use serde_json::json;

use super::*;

/// An instance whose repository has two skills at the top and one below it, and a file beside it; and the
/// directory around the repository.
fn instance() -> (Instance, TempHome) {
    let home = TempHome::in_memory();
    let skills = home.path().join("skills");
    fs::create_dir_all(skills.join("web")).expect("directories");
    fs::create_dir_all(home.path().join("skills_evil")).expect("a directory");
    for (path, text) in [("a.md", "# a"), ("b.md", "\u{e4}"), ("web/c.md", "c"), ("web/d.txt", "no skill")] {
        fs::write(skills.join(path), text).expect("written");
    }
    fs::write(home.path().join("skills_evil/e.md"), "not yours").expect("written");
    std::os::unix::fs::symlink(home.path().join("skills_evil"), skills.join("link")).expect("a link");
    (Made { skills: Skills::at(skills), ..Made::with_api_token(Some(API_TOKEN)) }.instance(), home)
}

#[test]
fn m7_the_list_has_relative_paths_and_nothing_of_the_machine() {
    let (instance, home) = instance();
    let answer = instance.get("/api/skills", API);
    let row = |name: &str, path: &str, category: &str| json!({"name": name, "relative_path": path, "category": category});
    let rows: Vec<_> = answer.body["skills"].as_array().expect("a list").clone();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert_eq!((&answer.body["base_path"], &answer.body["count"]), (&json!("."), &json!(3)));
    for (name, path, category) in
        [("a.md", "a.md", "default"), ("b.md", "b.md", "default"), ("c.md", "web/c.md", "web")]
    {
        let stem = name.trim_end_matches(".md");
        assert!(
            rows.contains(&row(name, path, category)) || rows.contains(&row(stem, path, category)),
            "{name}: {rows:?}"
        );
    }
    let text = answer.body.to_string();
    assert!(!text.contains(&*home.path().to_string_lossy()) && !text.contains("skills_evil"), "{text}");
    let web = instance.get("/api/skills?path=web", API);
    assert_eq!((&web.body["base_path"], &web.body["count"]), (&json!("web"), &json!(1)));
}

#[test]
fn m7_a_list_does_not_leave_the_repository() {
    let (instance, home) = instance();
    let evil = format!("{}_evil", home.path().join("skills").display());
    for path in [
        "/etc",
        "../../../../etc",
        "../skills_evil",
        "%2e%2e/skills_evil",
        "link",
        "link/",
        "web/../../skills_evil",
        "",
        "%00",
        "%ff",
        &evil,
    ] {
        let answer = instance.get(&format!("/api/skills?path={path}"), API);
        assert_eq!((answer.status, answer.error()), (400, "Invalid path"), "{path}");
    }
    assert_eq!(instance.get("/api/skills?path=web&path=web", API).status, 400);
}

#[test]
fn m7_a_skill_is_read_by_its_name() {
    let (instance, _home) = instance();
    let read = |name: &str| instance.get(&format!("/api/skills/{name}"), API);
    assert_eq!(read("a.md").body, json!({"name": "a.md", "content": "# a", "size": 3}));
    assert_eq!(read("b").body["content"], "\u{e4}");
    assert_eq!((&read("b").body["size"], &read("c").body["content"]), (&json!(2), &json!("c")));
    for bad in [
        "..%2F..%2F..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "web%2Fc.md",
        "..",
        ".",
        "evil%00.md",
        "a%5Cb",
        "%ff",
        "link",
    ] {
        let answer = read(bad);
        assert_eq!((answer.status, answer.error()), (400, "Invalid skill name"), "{bad}");
    }
    // As it is sent, a slash makes another path, which is nobody's.
    assert_eq!(read("web/c.md").code(), "not_found");
    for missing in ["nope", "e.md", "e", "%252e%252e"] {
        let answer = read(missing);
        assert_eq!((answer.status, answer.error()), (404, "Skill not found"), "{missing}");
    }
}

#[test]
fn m7_without_a_repository_there_are_no_skills() {
    let instance = Instance::new();
    let answer = instance.get("/api/skills", API);
    assert_eq!(answer.body, json!({"skills": [], "base_path": ".", "count": 0}));
    assert_eq!(instance.get("/api/skills/a", API).error(), "Skill not found");
    assert_eq!(instance.get("/api/skills?path=../x", API).error(), "Invalid path");
}
