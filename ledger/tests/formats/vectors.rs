//! Files under `vectors/`: hexadecimal, wrapped at 100 digits.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

/// The files of one format.
pub struct Vectors {
    folder: PathBuf,
    used: BTreeSet<String>,
}

impl Vectors {
    pub fn of(format: &str) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors");
        Self {
            folder: root.join(format),
            used: BTreeSet::new(),
        }
    }

    /// The file's bytes must be these.
    pub fn golden(&mut self, name: &str, bytes: &[u8]) {
        let digits = hex::encode(bytes);
        let lines: Vec<_> = digits
            .as_bytes()
            .chunks(100)
            .map(String::from_utf8_lossy)
            .collect();
        let text = lines.join("\n") + "\n";
        let file = format!("{name}.hex");
        let path = self.folder.join(&file);
        if std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
            fs::create_dir_all(&self.folder).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(found, text, "{file}");
        assert!(self.used.insert(file), "{name} is used twice");
    }

    /// The file's bytes must be these, and reading them must fail with words that contain `why`.
    pub fn rejected<T>(
        &mut self,
        name: &str,
        bytes: &[u8],
        read: impl Fn(&[u8]) -> Result<T, String>,
        why: &str,
    ) {
        self.golden(&format!("rejected-{name}"), bytes);
        match read(bytes) {
            Ok(_) => panic!("{name} was accepted"),
            Err(words) => assert!(words.contains(why), "{name}: {words}"),
        }
    }

    /// Every file of the folder was used, and the README names each.
    pub fn finish(self) {
        let readme = fs::read_to_string(self.folder.join("README.md")).unwrap();
        let files = fs::read_dir(&self.folder).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let found: BTreeSet<_> = names.filter(|name| name.ends_with(".hex")).collect();
        assert_eq!(found, self.used, "files in {}", self.folder.display());
        let unnamed: Vec<_> = found
            .iter()
            .filter(|name| !readme.contains(*name))
            .collect();
        assert!(unnamed.is_empty(), "README.md lacks {unnamed:?}");
    }
}
