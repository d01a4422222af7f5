use proptest::prelude::*;

use super::*;

const NAME: &[u8] = b"event-7";

fn sealed(key: &FileKey, name: &[u8], content: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let length = seal(key, name, &mut { content }, &mut file).unwrap();
    assert_eq!(length, content.len() as u64);
    file
}

fn opened(key: &FileKey, name: &[u8], file: &[u8]) -> Result<Vec<u8>, FileRefusal> {
    let mut content = Vec::new();
    match open(key, name, &mut { file }, &mut content, u64::MAX) {
        Ok(length) => {
            assert_eq!(length, content.len() as u64);
            Ok(content)
        }
        Err(OpenError::Refused(refusal)) => Err(refusal),
        Err(OpenError::Io(error)) => panic!("memory does not fail: {error}"),
    }
}

fn content(length: usize) -> Vec<u8> {
    (0u8..=250).cycle().take(length).collect()
}

/// The chunks of a file, each with its tag.
fn chunks(file: &[u8]) -> Vec<Vec<u8>> {
    file[HEADER..].chunks(CHUNK + TAG).map(<[u8]>::to_vec).collect()
}

fn file_of(header: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [header[..HEADER].to_vec(), chunks.concat()].concat()
}

#[test]
fn a_file_opens_as_it_was_sealed_whatever_its_length() {
    let key = FileKey::random();
    for length in [0, 1, TAG, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
        let content = content(length);
        let file = sealed(&key, NAME, &content);
        let chunks = length.div_ceil(CHUNK).max(1);
        assert_eq!(file.len(), HEADER + length + chunks * TAG);
        assert_eq!(opened(&key, NAME, &file).unwrap(), content, "{length}");
    }
}

#[test]
fn a_file_shows_nothing_of_its_content_and_is_another_each_time() {
    let key = FileKey::random();
    let content = content(CHUNK + 5);
    let (one, two) = (sealed(&key, NAME, &content), sealed(&key, NAME, &content));
    let run = &content[..16];
    assert!(content.windows(16).any(|window| window == run));
    assert!(!one.windows(16).any(|window| window == run));
    assert!(
        chunks(&one)
            .iter()
            .zip(chunks(&two))
            .all(|(one, two)| *one != two)
    );
}

#[test]
fn another_name_or_key_or_version_is_named() {
    let key = FileKey::random();
    let mut file = sealed(&key, NAME, b"content");
    assert_eq!(opened(&key, b"event-8", &file), Err(FileRefusal::Other));
    assert_eq!(opened(&FileKey::random(), NAME, &file), Err(FileRefusal::Other));
    file[0] = 2;
    assert_eq!(opened(&key, NAME, &file), Err(FileRefusal::Version(2)));
}

#[test]
fn a_cut_file_is_named_as_one() {
    let key = FileKey::random();
    let file = sealed(&key, NAME, &content(2 * CHUNK + 9));
    let whole = CHUNK + TAG;
    for length in [
        0,
        1,
        HEADER - 1,
        HEADER,
        HEADER + TAG - 1,
        HEADER + whole,
        HEADER + 2 * whole,
    ] {
        assert_eq!(
            opened(&key, NAME, &file[..length]),
            Err(FileRefusal::CutOff),
            "{length}"
        );
    }
    // Within a chunk a cut cannot be told from another change.
    let within = &file[..HEADER + whole + 100];
    assert_eq!(opened(&key, NAME, within), Err(FileRefusal::Chunk(1)));
}

#[test]
fn chunks_that_were_moved_swapped_repeated_left_out_or_added_are_named() {
    let key = FileKey::random();
    let file = sealed(&key, NAME, &content(3 * CHUNK));
    let other = sealed(&key, NAME, &content(3 * CHUNK));
    let (ours, theirs) = (chunks(&file), chunks(&other));
    let [first, second, last] = ours.as_slice() else {
        panic!("three chunks")
    };
    let refused = |chunks: &[&Vec<u8>]| {
        let chunks: Vec<_> = chunks.iter().map(|chunk| (*chunk).clone()).collect();
        opened(&key, NAME, &file_of(&file, &chunks)).unwrap_err()
    };
    assert_eq!(refused(&[second, first, last]), FileRefusal::Chunk(0));
    assert_eq!(refused(&[first, first, second, last]), FileRefusal::Chunk(1));
    assert_eq!(refused(&[first, last]), FileRefusal::Chunk(1));
    assert_eq!(refused(&[second, last]), FileRefusal::Chunk(0));
    // Of another file under the same key and name.
    assert_eq!(refused(&[first, &theirs[1], last]), FileRefusal::Chunk(1));
    assert_eq!(refused(&[first, second, &theirs[2]]), FileRefusal::Chunk(2));
    // Behind the end.
    assert_eq!(refused(&[first, second, last, last]), FileRefusal::Chunk(2));
    assert_eq!(
        refused(&[first, second, last, &vec![0; 1]]),
        FileRefusal::Chunk(2)
    );
    // The last of all that is left is none that ends a file.
    assert_eq!(refused(&[first, second]), FileRefusal::CutOff);
}

#[test]
fn a_file_over_the_readers_bound_is_not_read_on() {
    let key = FileKey::random();
    let file = sealed(&key, NAME, &content(2 * CHUNK));
    for (limit, fits) in [
        (2 * CHUNK, true),
        (2 * CHUNK - 1, false),
        (CHUNK, false),
        (0, false),
    ] {
        let mut content = Vec::new();
        let opened = open(&key, NAME, &mut file.as_slice(), &mut content, limit as u64);
        match opened {
            Ok(_) => assert!(fits),
            Err(OpenError::Refused(refusal)) => assert_eq!((refusal, fits), (FileRefusal::TooLong, false)),
            Err(OpenError::Io(error)) => panic!("{error}"),
        }
        assert!(fits || content.len() <= limit);
    }
}

#[test]
fn no_nonce_is_used_twice_however_long_a_file_is() {
    let (_, mut sealer) = FileKey::random().sealer(NAME);
    sealer.0.next = CHUNKS - 1;
    let mut chunk = Box::new([0; CHUNK]);
    assert!(sealer.seal(&mut chunk).is_ok());
    assert_eq!(sealer.seal(&mut chunk), Err(FileRefusal::TooLong));
    assert_eq!(sealer.seal_last(&mut []), Err(FileRefusal::TooLong));
}

#[test]
fn a_key_is_not_printed() {
    let key = FileKey::random();
    let (_, sealer) = key.sealer(NAME);
    assert_eq!(format!("{key:?}"), "FileKey");
    assert_eq!(format!("{sealer:?}"), "Sealer(chunk 0 of at most 4294967296)");
}

proptest! {
    /// Whatever is in it and whoever reads in pieces of whatever size: a file round-trips.
    #[test]
    fn every_content_round_trips(content in prop::collection::vec(any::<u8>(), 0..3000), piece in 1usize..700) {
        let key = FileKey::random();
        let mut file = Vec::new();
        seal(&key, NAME, &mut Pieces(&content, piece), &mut file).unwrap();
        let mut back = Vec::new();
        open(&key, NAME, &mut Pieces(&file, piece), &mut back, u64::MAX).unwrap();
        prop_assert_eq!(back, content);
    }

    /// No bit of a file can be changed, and no byte taken from it or added to it.
    #[test]
    fn no_change_goes_unnoticed(length in 0usize..300, at in any::<prop::sample::Index>(), bit in 0u8..8, more in 1usize..40) {
        let key = FileKey::random();
        let file = sealed(&key, NAME, &content(length));
        let mut changed = file.clone();
        changed[at.index(file.len())] ^= 1 << bit;
        prop_assert!(opened(&key, NAME, &changed).is_err());
        prop_assert!(opened(&key, NAME, &file[..at.index(file.len())]).is_err());
        let longer = [file.clone(), vec![0; more]].concat();
        prop_assert!(opened(&key, NAME, &longer).is_err());
        prop_assert!(opened(&key, NAME, &file).is_ok());
    }
}

/// A reader that gives a few bytes at a time.
struct Pieces<'a>(&'a [u8], usize);

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(buffer.len()).min(self.0.len());
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}
