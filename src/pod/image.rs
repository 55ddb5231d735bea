//! Where a container's files come from: a bundle that the manifest names by its path, or one that has a name on this host.

use super::error::{Code, Error, Result};
use super::machine::StartFailure;
use super::spec::ContainerSpec;
use crate::store::{Roots, images};
use std::path::PathBuf;

/// The bundle's folder.
///
/// # Errors
/// The name is nobody's: its step is the kubelet's reason, ErrImageNeverPull or ErrImagePull. It may be given later, so that a pod
/// waits for it.
pub fn bundle(roots: &Roots, container: &ContainerSpec) -> Result<PathBuf> {
    if !container.bundle.as_os_str().is_empty() {
        return Ok(container.bundle.clone());
    }
    let image = &container.image;
    let fail = |reason: StartFailure, problem: String| {
        let mut error = Error::new(Code::InvalidArgument, problem);
        error.field = "image".into();
        error.step = reason.as_str().into();
        Err(error)
    };
    let full = match images::normal(image) {
        Ok(full) => full,
        Err(want) => return fail(StartFailure::InvalidImageName, format!("couldn't parse image name {image:?} (want {want})")),
    };
    match images::find(roots, &full)? {
        Some(found) => Ok(found.bundle),
        None if container.pull_never => {
            let problem = format!("Container image {image:?} is not present with pull policy of Never");
            fail(StartFailure::ErrImageNeverPull, problem)
        }
        None => {
            let problem = format!(
                "image {image:?} is not on this host, and podrt pulls from no registry yet (podrt image add {image} bundle:PATH)"
            );
            fail(StartFailure::ErrImagePull, problem)
        }
    }
}
