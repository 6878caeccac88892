//! One writer, one whole file, and nothing left of those that were cut off.

use super::*;
use std::os::unix::fs::PermissionsExt;

/// As where a file system has no unnamed files.
fn begin_named(path: &Path) -> io::Result<NewFile> {
    NewFile::begin_with(path, |_| None)
}

fn delivered(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NewFile::begin(path)?;
    file.write_all(bytes)?;
    file.finish()
}

#[test]
fn a_file_is_there_once_it_is_whole_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = NewFile::begin(&path).unwrap();
    file.write_all(b"a document").unwrap();
    assert!(!path.exists());
    let mut read = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut read).unwrap();
    assert_eq!(read, "a document", "the writer reads it before");
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"a document");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A crash left half a document, and the retry that would have opened a patient's record was refused
/// for it.
#[test]
fn what_a_crash_leaves_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(beside(&path).unwrap(), b"a doc").unwrap();
    delivered(&path, b"a document").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"a document");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The second removed the first's file, and the first could not deliver after shares were released.
#[test]
fn a_second_writer_of_the_same_name_is_refused_and_the_first_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut first = NewFile::begin(&path).unwrap();
    let second = delivered(&path, b"the second's").unwrap_err();
    assert!(second.to_string().contains("another command"), "{second}");
    first.write_all(b"the first's").unwrap();
    first.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"the first's");
    assert!(delivered(&path, b"late").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"the first's");
}

#[test]
fn of_many_at_once_one_delivers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    // What a crash left is in the way of all.
    fs::write(beside(&path).unwrap(), b"a doc").unwrap();
    let start = std::sync::Barrier::new(8);
    let delivered = std::thread::scope(|scope| {
        let one = |number: u8| {
            start.wait();
            delivered(&path, &[number; 4096]).ok().map(|()| number)
        };
        let all: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || one(number)))
            .collect();
        let all = all.into_iter().filter_map(|one| one.join().unwrap());
        all.collect::<Vec<u8>>()
    });
    assert_eq!(delivered.len(), 1, "{delivered:?}");
    assert_eq!(fs::read(&path).unwrap(), [delivered[0]; 4096]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A command that was killed left half of a patient's document, until somebody ran it again.
#[cfg(target_os = "linux")]
#[test]
fn nothing_of_a_writer_that_is_killed_is_left_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = NewFile::begin(&path).unwrap();
    assert!(file.unnamed, "tests run on a disk that has unnamed files");
    file.write_all(b"half a doc").unwrap();
    file.flush().unwrap();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].metadata().unwrap().len(), 0, "{:?}", left[0].path());
}

#[test]
fn where_there_are_no_unnamed_files_a_file_is_delivered_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut file = begin_named(&path).unwrap();
    assert_eq!(NewFile::begin(&path).err().unwrap().kind(), in_use().kind());
    file.write_all(b"a document").unwrap();
    let mode = fs::metadata(beside(&path).unwrap()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    file.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"a document");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// What had the name beside by then got the document's name, verified or not.
#[test]
fn what_somebody_put_in_its_place_does_not_get_the_name() {
    let folder = tempfile::tempdir().unwrap();
    for begin in [begin_named, NewFile::begin] {
        let path = folder.path().join("out");
        let mut file = begin(&path).unwrap();
        file.write_all(b"a document").unwrap();
        fs::remove_file(beside(&path).unwrap()).unwrap();
        fs::write(beside(&path).unwrap(), b"another").unwrap();
        let unnamed = file.unnamed;
        assert_eq!(file.finish().is_ok(), unnamed);
        assert_eq!(path.exists(), unnamed);
        assert_eq!(fs::read(beside(&path).unwrap()).unwrap(), b"another");
        if unnamed {
            assert_eq!(fs::read(&path).unwrap(), b"a document");
        }
    }
}

#[test]
fn another_file_that_was_linked_by_then_loses_the_name_again() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("own"), b"a document").unwrap();
    fs::write(at("to"), b"another").unwrap();
    let own = File::open(at("own")).unwrap();
    name::check_given(&own, &at("to")).unwrap_err();
    assert!(!at("to").exists());
    name::check_given(&own, &at("own")).unwrap();
}

#[test]
fn what_holds_something_is_not_written_over_and_a_failure_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("foreign"), b"x").unwrap();
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
    File::create(at("empty")).unwrap();
    for name in ["foreign", "folder", "link", "empty", "nowhere/out", ".."] {
        assert!(delivered(&at(name), b"a document").is_err(), "{name}");
    }
    let mut late = NewFile::begin(&at("late")).unwrap();
    fs::write(at("late"), b"somebody else's").unwrap();
    late.write_all(b"a document").unwrap();
    assert!(late.finish().is_err());
    assert_eq!(fs::read(at("late")).unwrap(), b"somebody else's");
    for begin in [begin_named, NewFile::begin] {
        let mut failed = begin(&at("failed")).unwrap();
        failed.write_all(b"half a doc").unwrap();
        drop(failed);
    }
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 5, "foreign, folder, link, empty, late");
}
