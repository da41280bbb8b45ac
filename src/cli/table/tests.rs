use super::*;

#[test]
fn the_table_is_sound() {
    for command in all() {
        assert!(std::ptr::eq(find(command.name).expect("found"), command), "{} twice", command.name);
        for (at, operand) in command.operands.iter().enumerate() {
            let last = at + 1 == command.operands.len();
            assert!(operand.count == Count::One || last, "{}: only the last operand varies", command.name);
        }
        for flag in command.flags {
            assert!(flag.name.starts_with("--"), "{}", flag.name);
            assert!(!flag.repeats || flag.value.is_some(), "{}", flag.name);
        }
        assert!(command.audience == Audience::Internal || !command.examples.is_empty());
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
