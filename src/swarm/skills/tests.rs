use std::os::unix::fs::symlink;

use super::*;
use crate::{store::testing::TempHome, swarm::kept::Shelf, wire::node::NodeName};

const VALUES: Values<'_> = Values { agent: "coder", swarm: "lab", workspace: "/w {{agent_name}}" };

struct Setup {
    temp: TempHome,
    skills: Skills,
    dirs: AgentDirs,
}

impl Setup {
    fn new() -> Self {
        let temp = TempHome::new();
        let base = temp.path().join(DIRECTORY);
        for directory in ["web/deep", "data"] {
            std::fs::create_dir_all(base.join(directory)).expect("made");
        }
        for (file, text) in [
            ("a.md", "skill a"),
            ("notes.txt", "no skill"),
            ("web/b.md", "I am {{agent_name}} of {{swarm_name}} in {{workspace}}"),
            ("web/deep/c.md", "c"),
            ("data/b.md", "the first b"),
        ] {
            std::fs::write(base.join(file), text).expect("written");
        }
        std::fs::write(temp.around().join("outside.md"), "outside {{agent_name}}").expect("written");
        std::fs::create_dir(temp.path().join("skills_evil")).expect("made");
        symlink(temp.around().join("outside.md"), base.join("link.md")).expect("a link");
        let (shelf, ..) = Shelf::open(&temp.home()).expect("a shelf");
        let (swarm, agent) = (name("lab"), name("coder"));
        shelf.put_seed(&swarm, &serde_json::json!({})).expect("kept");
        let dirs = shelf.agent_dirs(&swarm, &agent).expect("made");
        Self { skills: Skills::at(base), temp, dirs }
    }

    fn deploy(&self, entries: &[&str]) -> Result<(), SkillError> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        self.skills.deploy(&entries, &self.dirs, VALUES)
    }

    fn deployed(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.dirs.skills().join(name)).ok()
    }
}

fn name(text: &str) -> NodeName {
    NodeName::parse(text).expect("a name")
}

fn rows(list: &SkillList) -> Vec<(&str, &str, &str)> {
    list.skills
        .iter()
        .map(|row| (row.name.as_str(), row.relative_path.as_str(), row.category.as_str()))
        .collect()
}

#[test]
fn m7_the_list_names_skills_by_paths_from_where_was_looked() {
    let setup = Setup::new();
    let all = setup.skills.list(None).expect("listed");
    let wanted = [
        ("a", "a.md", "default"),
        ("b", "data/b.md", "data"),
        ("b", "web/b.md", "web"),
        ("c", "web/deep/c.md", "web/deep"),
    ];
    assert_eq!((all.base_path.as_str(), rows(&all)), (".", wanted.to_vec()));
    let web = setup.skills.list(Some("web")).expect("listed");
    let wanted = [("b", "b.md", "default"), ("c", "deep/c.md", "deep")];
    assert_eq!((web.base_path.as_str(), rows(&web)), ("web", wanted.to_vec()));
    let inside = setup.temp.path().join("skills/web/").to_string_lossy().into_owned();
    assert_eq!(setup.skills.list(Some(&inside)).expect("listed"), web, "absolute, and inside");
    assert_eq!(setup.skills.list(Some("nowhere")).expect("listed").skills, []);
}

#[test]
fn m7_a_path_out_of_the_repository_is_refused() {
    let setup = Setup::new();
    let evil = format!("{}_evil", setup.temp.path().join("skills").display());
    let missing = Skills::at(setup.temp.path().join("none"));
    for path in ["/etc", "../../../../etc", "../skills_evil", &evil, "..", "", "web\0", "web/../.."] {
        assert_eq!(setup.skills.list(Some(path)), Err(SkillError::BadPath), "{path:?}");
        assert_eq!(missing.list(Some(path)), Err(SkillError::BadPath), "{path:?}, and no repository");
    }
    assert_eq!(missing.list(None).expect("none").skills, []);
    assert_eq!(missing.read("a.md"), Err(SkillError::Missing));
}

#[test]
fn m7_a_skill_is_read_by_its_plain_name() {
    let setup = Setup::new();
    let read = |name| setup.skills.read(name).map(|skill| (skill.name, skill.content));
    let found = |name: &str, content: &str| Ok((name.to_owned(), content.to_owned()));
    assert_eq!(read("a.md"), found("a.md", "skill a"));
    assert_eq!(read("a"), found("a", "skill a"));
    assert_eq!(read("notes.txt"), found("notes.txt", "no skill"));
    assert_eq!(read("b"), found("b", "the first b"));
    assert_eq!(read("c.md"), found("c.md", "c"));
    for missing in ["d", "d.md", "notes", "~"] {
        assert_eq!(read(missing), Err(SkillError::Missing), "{missing}");
    }
    assert_eq!(read("link.md"), Err(SkillError::BadPath), "a link out of the repository");
    assert_eq!(read("web"), Err(SkillError::Missing), "a directory");
}

#[test]
fn a_directory_that_is_called_like_a_skill_does_not_hide_it() {
    let setup = Setup::new();
    let repository = &setup.skills.base;
    for directory in ["web.md", "data/web"] {
        std::fs::create_dir(repository.join(directory)).expect("a directory");
    }
    std::fs::write(repository.join("data/web.md"), "about the web").expect("a skill");
    for name in ["web", "web.md"] {
        assert_eq!(
            setup.skills.read(name).map(|skill| skill.content).as_deref(),
            Ok("about the web"),
            "{name}"
        );
    }
    setup.deploy(&["web"]).expect("deployed");
    assert_eq!(setup.deployed("web.md").as_deref(), Some("about the web"));
}

#[test]
fn m7_what_is_no_plain_name_is_no_skill() {
    let setup = Setup::new();
    for bad in [
        "../../../../etc/passwd",
        "/etc/passwd",
        "sub/x.md",
        "..",
        "evil\0.md",
        "..\\win.md",
        ".",
        "",
        "../escape.md",
        "a.md/",
        "x\n.md",
        ".tmp_x.md",
        &"x".repeat(129),
    ] {
        assert_eq!(setup.skills.read(bad), Err(SkillError::BadName), "{bad:?}");
        assert_eq!(put(setup.dirs.root(), bad, "x"), Err(SkillError::BadName), "{bad:?}");
        assert_eq!(file_name(bad), Err(SkillError::BadName), "{bad:?}");
    }
    assert_eq!(std::fs::read_dir(setup.dirs.skills()).expect("there").count(), 0, "nothing is written");
}

#[test]
fn m7_an_agents_skill_is_written_and_shown() {
    let setup = Setup::new();
    put(setup.dirs.root(), "plain.md", "one").expect("written");
    put(setup.dirs.root(), "plain.md", "two").expect("written again");
    std::fs::write(setup.dirs.skills().join("other.txt"), "not shown").expect("written");
    let wanted = Skill { name: "plain.md".to_owned(), content: "two".to_owned() };
    assert_eq!(of_agent(setup.dirs.root()), Ok(vec![wanted.clone()]));
    let outside = setup.temp.around().join("outside.md");
    for (number, link) in ["1.md", "2.md"].iter().enumerate() {
        let at = setup.dirs.skills().join(link);
        if number == 0 { symlink(&outside, at) } else { std::fs::hard_link(&outside, at) }.expect("a link");
    }
    assert_eq!(of_agent(setup.dirs.root()), Ok(vec![wanted]), "what the agent linked there is not shown");
    put(setup.dirs.root(), "1.md", "ours").expect("written");
    assert!(std::fs::read_to_string(&outside).expect("there").starts_with("outside"));

    std::fs::remove_dir_all(setup.dirs.skills()).expect("removed");
    symlink(setup.temp.around(), setup.dirs.skills()).expect("a link");
    assert_eq!(put(setup.dirs.root(), "x.md", "x"), Err(SkillError::Unreadable));
    assert_eq!(of_agent(setup.dirs.root()), Err(SkillError::Unreadable));
    assert!(!setup.temp.around().join("x.md").exists());
}

/// Spec genswarms E.6.
#[test]
fn skills_are_deployed_with_their_words_replaced_once() {
    let setup = Setup::new();
    setup.deploy(&["web/b.md", "a", "web/deep/../deep/c.md"]).expect("deployed");
    let text = "I am coder of lab in /w {{agent_name}}";
    assert_eq!(setup.deployed("b.md").as_deref(), Some(text));
    assert_eq!(setup.deployed("a.md").as_deref(), Some("skill a"));
    assert!(setup.deployed("c.md").is_some());
    for (text, wanted) in [
        ("{{{agent_name}}}", "{coder}"),
        ("{{agent_name}", "{{agent_name}"),
        ("{{ agent_name }}{{", "{{ agent_name }}{{"),
        ("{{agent_name}}{{agent_name}}", "codercoder"),
        ("", ""),
    ] {
        assert_eq!(replaced(text, VALUES), wanted, "{text}");
    }
}

/// Spec genswarms L.1.8: a skill is no way to any file of the host's.
#[test]
fn skills_are_deployed_from_the_repository_alone() {
    let setup = Setup::new();
    let outside = setup.temp.around().join("outside.md").to_string_lossy().into_owned();
    for (entry, error) in [
        (outside.as_str(), SkillError::BadPath),
        ("../outside.md", SkillError::BadPath),
        ("web/../../x.md", SkillError::BadPath),
        ("./link.md", SkillError::BadPath),
        ("web/missing.md", SkillError::Missing),
        ("", SkillError::BadName),
        ("./web", SkillError::Missing),
    ] {
        assert_eq!(setup.deploy(&[entry]), Err(error), "{entry}");
    }
    assert_eq!(setup.deployed("outside.md"), None);
    assert_eq!(setup.deploy(&["web/b.md", "data/b.md"]), Err(SkillError::Twice("b.md".to_owned())));
    assert_eq!(setup.deployed("b.md"), None, "nothing of it is written");
}

#[test]
fn a_skill_over_its_limit_is_refused() {
    let setup = Setup::new();
    let base = setup.temp.path().join(DIRECTORY);
    let large = "x".repeat(limits::SKILL_FILE + 1);
    std::fs::write(base.join("large.md"), &large).expect("written");
    std::fs::write(base.join("fits.md"), &large[1..]).expect("written");
    assert_eq!(setup.skills.read("large"), Err(SkillError::TooLarge));
    assert_eq!(setup.skills.read("fits").map(|skill| skill.content.len()), Ok(limits::SKILL_FILE));
    assert_eq!(setup.deploy(&["large"]), Err(SkillError::TooLarge));
    assert_eq!(put(setup.dirs.root(), "large.md", &large), Err(SkillError::TooLarge));
}

#[test]
fn an_agents_skills_are_bounded_in_number_and_bytes() {
    let setup = Setup::new();
    let many = vec!["a"; limits::AGENT_SKILLS + 1];
    assert_eq!(setup.deploy(&many), Err(SkillError::TooLarge));
    let root = setup.dirs.root();
    let shown = || of_agent(root).expect("shown");
    for number in 0..limits::AGENT_SKILLS + 5 {
        let file = setup.dirs.skills().join(format!("{number:03}.md"));
        std::fs::write(file, "x").expect("the agent may write there");
    }
    assert_eq!((shown().len(), shown()[0].name.as_str()), (limits::AGENT_SKILLS, "000.md"));
    let large = "x".repeat(limits::SKILL_FILE);
    for number in 0..limits::AGENT_SKILLS_BYTES / limits::SKILL_FILE + 2 {
        std::fs::write(setup.dirs.skills().join(format!("{number:03}.md")), &large).expect("written");
    }
    let bytes: usize = shown().iter().map(|skill| skill.content.len()).sum();
    assert_eq!(bytes, limits::AGENT_SKILLS_BYTES);
}

#[test]
fn a_skill_that_was_written_is_shown_or_it_is_refused() {
    let setup = Setup::new();
    let root = setup.dirs.root();
    let shows = |name: &str| of_agent(root).expect("shown").iter().any(|skill| skill.name == name);
    for name in ["notes", "notes.txt", "notes.MD", "notes.md.bak"] {
        assert_eq!(put(root, name, "x"), Err(SkillError::BadEnd), "{name}");
    }
    assert_eq!(std::fs::read_dir(setup.dirs.skills()).expect("there").count(), 0, "nothing is written");
    for number in 0..limits::AGENT_SKILLS {
        put(root, &format!("{number:03}.md"), "x").expect("written");
    }
    // One that would be shown would take another's place.
    for name in ["000a.md", "zzz.md"] {
        assert_eq!(put(root, name, "x"), Err(SkillError::TooMany), "{name}");
        assert!(!setup.dirs.skills().join(name).exists());
    }
    assert_eq!(put(root, "050.md", "another"), Ok(()), "in the place of the one that has the name");
    assert!(shows("050.md") && shows("099.md"));

    let large = "x".repeat(limits::SKILL_FILE);
    let fit = limits::AGENT_SKILLS_BYTES / limits::SKILL_FILE - 1;
    for number in 0..fit {
        put(root, &format!("{number:03}.md"), &large).expect("written");
    }
    assert_eq!(put(root, "099.md", &large), Err(SkillError::TooMany));
    assert!(shows("098.md") && shows("099.md"), "nothing is lost");
    assert_eq!(put(root, "000.md", &large), Ok(()), "as large as before");
}
