use super::*;

#[test]
fn the_table_is_sound() {
    for command in all() {
        assert!(std::ptr::eq(find(command.name).expect("found"), command), "{} twice", command.name);
        for (at, operand) in command.operands.iter().enumerate() {
            // Only the end varies: the last one, or several that may be left out.
            let rest = command.operands.get(at + 1..).unwrap_or_default();
            let optional = |operand: &Operand| operand.count == Count::Optional;
            let varies = rest.is_empty() || optional(operand) && rest.iter().all(optional);
            assert!(operand.count == Count::One || varies, "{}: only the end varies", command.name);
        }
        for alias in command.aliases {
            assert!(std::ptr::eq(find(alias).expect("found"), command), "{alias} twice");
        }
        for (at, flag) in command.flags.iter().enumerate() {
            assert!(flag.short != Some('h'), "{}: -h asks for help", command.name);
            assert!(flag.short.is_none_or(|letter| letter.is_ascii_alphanumeric()), "{}", flag.name);
            assert!(flag.value.is_some() || flag.kind == Kind::Text, "{}", flag.name);
            for other in command.flags.iter().take(at) {
                assert!(flag.name != other.name, "{}: {} twice", command.name, flag.name);
                assert!(flag.short.is_none() || flag.short != other.short, "{}: {}", command.name, flag.name);
            }
            assert!(flag.name.starts_with("--"), "{}", flag.name);
            assert!(!flag.repeats || flag.value.is_some(), "{}", flag.name);
        }
        assert!(command.audience == Audience::Internal || !command.examples.is_empty());
    }
}

#[test]
fn what_a_new_user_needs_is_there_and_what_is_elsewhere_is_not() {
    for name in FIRST {
        assert!(find(name).is_some_and(|command| command.audience != Audience::Internal), "{name}");
    }
    for (name, _) in ELSEWHERE {
        assert!(find(name).is_none(), "{name}");
    }
}

#[test]
fn no_flag_or_operand_takes_a_secret() {
    let words = ["key", "token", "secret", "password", "auth"];
    for command in all() {
        let flags = command.flags.iter().filter(|flag| flag.value.is_some()).map(|flag| flag.name);
        for name in flags.chain(command.operands.iter().map(|operand| operand.name)) {
            let name = name.to_ascii_lowercase();
            // --key-fd takes the number of a descriptor, not the key
            assert!(name == "--key-fd" || !words.iter().any(|word| name.contains(word)), "{name}");
        }
    }
}
