//! The least that runs futures: take tokio or async-std instead.
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Run a future on this thread, which sleeps while there is nothing to do.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// All of them at once.
pub struct Join<F: Future> {
    running: Vec<Option<Pin<Box<F>>>>,
    outputs: Vec<Option<F::Output>>,
}

impl<F: Future> Join<F> {
    pub fn new(futures: impl Iterator<Item = F>) -> Join<F> {
        let running: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
        let outputs = running.iter().map(|_| None).collect();
        Join { running, outputs }
    }
}

impl<F: Future> Unpin for Join<F> {}

impl<F: Future> Future for Join<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Self::Output> {
        let this = &mut *self;
        for (future, output) in this.running.iter_mut().zip(&mut this.outputs) {
            if let Some(Poll::Ready(done)) = future.as_mut().map(|f| f.as_mut().poll(context)) {
                *output = Some(done);
                *future = None;
            }
        }
        if this.running.iter().any(Option::is_some) {
            return Poll::Pending;
        }
        Poll::Ready(this.outputs.iter_mut().filter_map(Option::take).collect())
    }
}
