//! Futures on completions: a call submits an operation and returns at once, and the library's thread
//! wakes the task that awaits its end. Any executor will do.
use crate::ffi::*;
use crate::pond::{call, take_error, Error};
use std::future::Future;
use std::os::raw::{c_int, c_void};
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What an operation produced; what nobody takes is released.
pub struct Outcome {
    connection: *mut PondConnection,
    result: *mut PondResult,
}

// SAFETY: handles of a loop with a thread of its own may be used from one thread after the other.
unsafe impl Send for Outcome {}

impl Outcome {
    pub fn take_connection(&mut self) -> *mut PondConnection {
        std::mem::replace(&mut self.connection, ptr::null_mut())
    }

    pub fn result(&self) -> *mut PondResult {
        self.result
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        unsafe {
            if !self.connection.is_null() {
                pond_connection_give_back(self.connection, ptr::null_mut());
            }
            pond_connection_release(self.connection);
            pond_result_release(self.result);
        }
    }
}

#[derive(Default)]
struct State {
    done: Option<Result<Outcome, Error>>,
    waker: Option<Waker>,
}

/// The library's thread calls it once for each operation, with a reference to it.
pub extern "C" fn completed(_: *mut c_void, op: *mut PondOp) {
    // SAFETY: the pointer is the one that submit() made, and comes back once.
    let state = unsafe { Arc::from_raw(pond_op_user_data(op).cast::<Mutex<State>>()) };
    let done = unsafe {
        match pond_op_status(op) {
            0 => Ok(Outcome {
                connection: pond_op_take_connection(op),
                result: pond_op_take_result(op),
            }),
            code => Err(take_error(code, pond_op_take_error(op))),
        }
    };
    unsafe { pond_op_release(op) };
    let mut state = state.lock().expect("no panic holds this lock");
    state.done = Some(done);
    if let Some(waker) = state.waker.take() {
        waker.wake();
    }
}

/// An operation on its way: await it. Who drops it before cancels it.
pub struct Operation {
    op: *mut PondOp,
    state: Arc<Mutex<State>>,
}

// SAFETY: as Outcome.
unsafe impl Send for Operation {}

impl Operation {
    /// Call a function that submits an operation with the given user data.
    pub fn submit(
        function: impl FnOnce(*mut c_void, *mut *mut PondOp, *mut *mut PondError) -> c_int,
    ) -> Result<Operation, Error> {
        let state = Arc::new(Mutex::new(State::default()));
        let data = Arc::into_raw(state.clone());
        let mut op = ptr::null_mut();
        match call(|err| function(data as *mut c_void, &mut op, err)) {
            Ok(()) => Ok(Operation { op, state }),
            Err(error) => {
                drop(unsafe { Arc::from_raw(data) }); // completed() will not be called for it
                Err(error)
            }
        }
    }

    /// Ask for an early end, on the server, too; then await it.
    pub fn cancel(&self) {
        unsafe { pond_op_cancel(self.op) };
    }
}

impl Future for Operation {
    type Output = Result<Outcome, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context) -> Poll<Self::Output> {
        let mut state = self.state.lock().expect("no panic holds this lock");
        match state.done.take() {
            Some(done) => Poll::Ready(done),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.cancel(); // does nothing once it has completed
        unsafe { pond_op_release(self.op) };
    }
}
