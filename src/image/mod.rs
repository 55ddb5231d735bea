//! Floor 4: images.
//!
//! In this version an image is a bundle on this host that was given a name: `podrt image add busybox:1.28 bundle:./busybox`, and a
//! manifest's `image: busybox:1.28` runs. Layers and registries come later, under the same names.
#![forbid(unsafe_code)]

use crate::container::Bundle;
use crate::store::{Roots, images, make_folder};
use std::path::Path;

pub use crate::store::images::Image;

/// What a bundle is written as.
const BUNDLE: &str = "bundle:";

/// Why an image cannot be added, or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("not an image name (got {name:?}, want {want})")]
    Name { name: String, want: &'static str },
    #[error("not a bundle (got {0:?}, want bundle:PATH of a folder with config.json and a rootfs)")]
    Kind(String),
    #[error(transparent)]
    Bundle(#[from] crate::container::Error),
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}

fn full(name: &str) -> Result<String, Error> {
    images::normal(name).map_err(|want| Error::Name { name: name.to_owned(), want })
}

/// Gives `name` to the bundle of `source`, which is read and checked; returns the name in full. A name that is taken is moved.
///
/// # Errors
/// The name or the bundle is none, or the file cannot be written.
pub fn add(roots: &Roots, name: &str, source: &str) -> Result<String, Error> {
    let name = full(name)?;
    let path = source.strip_prefix(BUNDLE).filter(|p| !p.is_empty()).ok_or_else(|| Error::Kind(source.to_owned()))?;
    let bundle = Bundle::load(Path::new(path))?;
    bundle.rootfs()?;
    make_folder(&roots.data)?;
    // Without the `..` that a change of folders elsewhere would turn around.
    let bundle = std::fs::canonicalize(&bundle.path).unwrap_or(bundle.path);
    images::put(roots, &Image { name: name.clone(), bundle, added: crate::pod::now().wall.0 / 1_000_000_000 })?;
    Ok(name)
}

/// All names.
///
/// # Errors
/// They cannot be read.
pub fn list(roots: &Roots) -> Result<Vec<Image>, Error> {
    Ok(images::list(roots)?)
}

/// Takes the name away; pods that run from the bundle go on. False where it was nobody's.
///
/// # Errors
/// It is no name, or its file cannot be removed.
pub fn remove(roots: &Roots, name: &str) -> Result<bool, Error> {
    Ok(images::remove(roots, &full(name)?)?)
}
