//! The files of the workspace as a person sees them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold what was built or installed, not what was written.
const NOT_OURS: &[&str] = &["target", "node_modules", "__pycache__"];
/// The folders whose names start with a dot and that are ours all the same.
const HIDDEN_BUT_OURS: &[&str] = &[".cargo", ".ci", ".config", ".github"];

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// A written file: where it is, relative to the root, and what it says.
pub(crate) struct Written {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Every text file under the root's folder `start` (`""` for all), in order of path.
pub(crate) fn written(start: &str) -> Vec<Written> {
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(start), &mut found);
    found.sort();
    found
        .into_iter()
        .filter_map(|path| {
            // A picture or another file that is not UTF-8 has no words to check.
            let text = fs::read_to_string(&path).ok()?;
            Some(Written {
                path: relative(&root, &path),
                text,
            })
        })
        .collect()
}

/// The workspace's Rust files.
pub(crate) fn rust() -> Vec<Written> {
    written("")
        .into_iter()
        .filter(|file| file.path.ends_with(".rs"))
        .collect()
}

/// `path` as it is written in a message, with `/` between its parts.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    let inside = path
        .strip_prefix(root)
        .expect("the walk started at the root");
    inside.to_string_lossy().replace('\\', "/")
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("a folder of the workspace can be read");
    for entry in entries {
        let path = entry
            .expect("a folder of the workspace can be listed")
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN_BUT_OURS.contains(&name.as_str());
            if !hidden && !NOT_OURS.contains(&name.as_str()) {
                walk(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}
