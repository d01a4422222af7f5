//! A folder of templates: loaded, or listed with why not. Nothing outside of the folder is ever opened.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{ambient_authority, fs::Dir};

use super::{
    feature::Feature,
    form::{BOUNDS, Files, FormError, Template},
};

/// Templates that can be run, and files that cannot.
#[derive(Debug, Default)]
pub struct Library {
    /// Templates, each of its own name.
    pub templates: Vec<Arc<Template>>,
    /// Files that are no template that is run.
    pub refused: Vec<Refused>,
}

/// A file that is not run.
#[derive(Debug)]
pub struct Refused {
    /// The file's path below the folder.
    pub path: String,
    /// Why.
    pub why: RefusedWhy,
}

/// Why a file is not run.
#[derive(Debug, thiserror::Error)]
pub enum RefusedWhy {
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    /// It is no text.
    #[error("it is no text in UTF-8")]
    NotText,
    /// It is no template that can be run.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Another file before it has the same name.
    #[error("another template has the id {0:?}")]
    Twice(String),
}

/// A folder that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("reading the templates in {}", path.display())]
pub struct LibraryError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Library {
    /// Loads every template below a folder.
    ///
    /// # Errors
    /// When the folder itself cannot be read.
    pub fn open(path: &Path) -> Result<Self, LibraryError> {
        let error = |source| LibraryError {
            path: path.to_owned(),
            source,
        };
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(error)?;
        let mut files = Vec::new();
        list(&dir, Path::new("."), 0, &mut files).map_err(error)?;
        files.sort_unstable();
        let folder = Folder {
            dir,
            lists: RefCell::default(),
        };
        let mut library = Self::default();
        let mut seen = HashMap::new();
        for file in files {
            let path = file
                .strip_prefix(".")
                .unwrap_or(&file)
                .to_string_lossy()
                .into_owned();
            match folder.template(&file) {
                Ok(template) if seen.insert(template.id.clone(), ()).is_some() => {
                    let why = RefusedWhy::Twice(template.id);
                    library.refused.push(Refused { path, why });
                }
                Ok(template) => library.templates.push(Arc::new(template)),
                Err(why) => library.refused.push(Refused { path, why }),
            }
        }
        Ok(library)
    }
}

/// The folder, and the payload files that were read from it.
struct Folder {
    dir: Dir,
    lists: RefCell<HashMap<String, Arc<Vec<String>>>>,
}

impl Folder {
    fn template(&self, path: &Path) -> Result<Template, RefusedWhy> {
        let text = read(&self.dir, path, BOUNDS.length).map_err(RefusedWhy::Read)?;
        let text = String::from_utf8(text).map_err(|_| RefusedWhy::NotText)?;
        let beside = Beside {
            folder: self,
            place: path.parent().unwrap_or_else(|| Path::new(".")),
        };
        Ok(Template::parse(&text, &beside)?)
    }
}

/// Payload files as one template names them: from the folder on, or from where it stands itself.
struct Beside<'a> {
    folder: &'a Folder,
    place: &'a Path,
}

impl Files for Beside<'_> {
    fn lines(&self, path: &str) -> Result<Arc<Vec<String>>, Feature> {
        let refused =
            |why: &str| Feature::PayloadFile(format!("{}: {why}", path.chars().take(80).collect::<String>()));
        let parts = || Path::new(path).components();
        let inside = parts().all(|part| {
            matches!(
                part,
                std::path::Component::Normal(_) | std::path::Component::CurDir
            )
        });
        if !inside || path.is_empty() {
            return Err(refused("it lies outside of the templates' folder"));
        }
        if let Some(lines) = self.folder.lists.borrow().get(path) {
            return Ok(lines.clone());
        }
        // The directory does not let go of what lies below it: links that lead out are not followed either.
        let bytes = read(&self.folder.dir, Path::new(path), PAYLOADS_LIMIT)
            .or_else(|_| read(&self.folder.dir, &self.place.join(path), PAYLOADS_LIMIT))
            .map_err(|_| refused("it is not there, or too large"))?;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text
            .lines()
            .filter(|line| !line.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        let lines = Arc::new(lines);
        self.folder
            .lists
            .borrow_mut()
            .insert(path.to_owned(), lines.clone());
        Ok(lines)
    }
}

fn read(dir: &Dir, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more.
    dir.open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Every file of YAML below a folder, as long as there are not too many.
fn list(dir: &Dir, path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if depth > DEPTH_LIMIT {
        return Ok(());
    }
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden = name.to_string_lossy().starts_with('.');
        let kind = entry.file_type()?;
        let below = path.join(&name);
        if kind.is_dir() && !is_hidden {
            list(&entry.open_dir()?, &below, depth + 1, files)?;
        } else if kind.is_file()
            && files.len() < FILES_LIMIT
            && below
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml")
        {
            files.push(below);
        }
    }
    Ok(())
}

const DEPTH_LIMIT: usize = 16;
const FILES_LIMIT: usize = 50_000;
const PAYLOADS_LIMIT: usize = 4 << 20;
