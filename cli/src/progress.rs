//! A request's body, and a bar on a terminal that shows how far it has gone.

use hyper::body::{Body, Bytes, Frame, SizeHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::convert::Infallible;
use std::io::IsTerminal as _;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes handed over at once.
const CHUNK: usize = 64 * 1024;

/// A body that counts what was taken of it.
pub struct Counted {
    rest: Bytes,
    bar: ProgressBar,
}

impl Counted {
    /// A body; `visible` shows a bar if standard error is a terminal.
    #[must_use]
    pub fn new(body: Vec<u8>, visible: bool) -> Self {
        let shown = visible && std::io::stderr().is_terminal();
        let target =
            if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(body.len() as u64), target);
        let template = "  {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { rest: body.into(), bar }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(CHUNK);
        let chunk = self.rest.split_to(length);
        self.bar.inc(length as u64);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
