//! `pickle` of Python: a function of `os` that there is, and one that there is not, named and dropped in front of the value
//! (opcodes GLOBAL and POP of pickletools.py). Nothing is called.

use super::Twins;

pub(super) fn twins(value: &[u8], word: &str) -> Option<Twins> {
    let at = match value {
        // PROTO and the version.
        [0x80, 2..=5, .., b'.'] => 2,
        // The first version begins with a mark, and a dictionary, list or tuple is put into its memory.
        [b'(', b'd' | b'l' | b't' | b'i', .., b'.'] if value.contains(&b'\n') => 0,
        _ => return None,
    };
    let (head, rest) = value.split_at(at);
    let naming = |name: &str| [head, format!("cos\n{name}\n0").as_bytes(), rest].concat();
    Some(Twins {
        load: [naming("getpid"), naming("getcwd")],
        fail: [naming(word), naming(&format!("{word}x"))],
    })
}
