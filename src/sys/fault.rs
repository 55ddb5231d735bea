//! Fault points: in builds with the feature `fault`, `PODRT_FAULT=step:error|kill` makes the named step fail, or ends the
//! process there. Other builds compile them to nothing. A comma separates several.

/// The variable; a supervisor, whose environment is empty otherwise, gets it passed on in such builds.
pub const VARIABLE: &str = "PODRT_FAULT";

#[cfg(not(feature = "fault"))]
#[inline(always)]
pub fn point(_step: &str) -> super::Result<()> {
    Ok(())
}

/// Errors: EIO where the step was asked to fail.
#[cfg(feature = "fault")]
pub fn point(step: &str) -> super::Result<()> {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    for one in asked.split(',') {
        match one.rsplit_once(':') {
            Some((s, "error")) if s == step => {
                return Err(super::Error { call: format!("fault point {step}"), errno: super::Errno::EIO });
            }
            Some((s, "kill")) if s == step => {
                let _ = super::raw::kill(super::raw::getpid(), libc::SIGKILL);
            }
            _ => {}
        }
    }
    Ok(())
}
