//! A safe face on the C interface: owners that release, errors as `Result`, futures for what waits.
use crate::ffi::*;
use crate::operation::{completed, Operation};
use crate::value::{read_rows, Params, Value};
use std::ffi::{CStr, CString};
use std::future::Future;
use std::os::raw::{c_char, c_int};
use std::ptr;

#[derive(Debug)]
pub struct Error {
    pub code: c_int,
    pub message: String,
}

impl std::fmt::Display for Error {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

pub(crate) fn to_string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the library's strings are NUL-terminated and live through this call.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text).expect("no NUL in a name or a setting")
}

/// Turn the details of a failure, which may be NULL, into an error.
pub(crate) fn take_error(code: c_int, details: *mut PondError) -> Error {
    // SAFETY: the details are ours, and NULL has a message, too.
    unsafe {
        let message = to_string(pond_error_message(details));
        pond_error_free(details);
        Error { code, message }
    }
}

/// Call a function of the library, giving it the place for its error.
pub(crate) fn call(function: impl FnOnce(*mut *mut PondError) -> c_int) -> Result<(), Error> {
    let mut details = ptr::null_mut();
    match function(&mut details) {
        0 => Ok(()),
        code => Err(take_error(code, details)),
    }
}

/// The pool of one database. A thread of the library's own drives its loop, so no thread waits.
pub struct Database {
    pool: *mut PondPool,
    pond_loop: *mut PondLoop,
}

// SAFETY: pools are for any thread, and so are loops that have a thread.
unsafe impl Send for Database {}
unsafe impl Sync for Database {}

impl Database {
    pub fn open(driver: &str, settings: &[(String, String)]) -> Result<Database, Error> {
        let mut config = ptr::null_mut();
        let mut database = Database { pool: ptr::null_mut(), pond_loop: ptr::null_mut() };
        let driver = c_text(driver);
        call(|err| unsafe { pond_config_new(driver.as_ptr(), &mut config, err) })?;
        let opened = settings
            .iter()
            .try_for_each(|(key, value)| {
                let (key, value) = (c_text(key), c_text(value));
                call(|err| unsafe { pond_config_set(config, key.as_ptr(), value.as_ptr(), err) })
            })
            .and_then(|_| call(|err| unsafe { pond_pool_open(config, &mut database.pool, err) }));
        unsafe { pond_config_release(config) };
        opened?;
        call(|err| unsafe { pond_loop_new(&mut database.pond_loop, err) })?;
        call(|err| unsafe {
            pond_loop_start_thread(database.pond_loop, Some(completed), ptr::null_mut(), err)
        })?;
        Ok(database)
    }

    pub(crate) fn pool(&self) -> *mut PondPool {
        self.pool
    }

    pub async fn acquire(&self) -> Result<Connection<'_>, Error> {
        let mut outcome = Operation::submit(|data, op, err| unsafe {
            pond_pool_acquire(self.pool, self.pond_loop, TIMEOUT_DEFAULT, data, op, err)
        })?
        .await?;
        Ok(Connection { handle: outcome.take_connection(), _database: self })
    }

    /// Wait for connections to come back, at most so long, then take them.
    pub async fn close(self, timeout_ms: i64) -> Result<(), Error> {
        Operation::submit(|data, op, err| unsafe {
            pond_pool_close(self.pool, self.pond_loop, timeout_ms, data, op, err)
        })?
        .await
        .map(drop)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        unsafe {
            pond_loop_release(self.pond_loop);
            pond_pool_release(self.pool);
        }
    }
}

/// A lease, which goes back to its pool when it is dropped.
pub struct Connection<'a> {
    handle: *mut PondConnection,
    _database: &'a Database,
}

// SAFETY: it may be used from one thread after the other, as its loop has a thread of its own.
unsafe impl Send for Connection<'_> {}

impl Connection<'_> {
    pub(crate) fn handle(&mut self) -> *mut PondConnection {
        self.handle
    }

    pub fn server_version(&self) -> String {
        to_string(unsafe { pond_connection_server_version(self.handle) })
    }

    /// `BEGIN`, `COMMIT` or `ROLLBACK`.
    pub async fn transaction(&mut self, verb: c_int) -> Result<(), Error> {
        Operation::submit(|data, op, err| unsafe {
            pond_connection_transaction(self.handle, verb, TIMEOUT_DEFAULT, data, op, err)
        })?
        .await
        .map(drop)
    }

    /// Submit a statement, which ends within `timeout_ms` (-1: the database's own limit).
    pub fn submit(
        &mut self,
        sql: &str,
        params: &[Value],
        timeout_ms: i64,
    ) -> Result<Operation, Error> {
        let params = Params::new(params)?;
        let options = ExecuteOptions {
            struct_size: std::mem::size_of::<ExecuteOptions>() as u32,
            flags: 0,
            timeout_ms,
            tags: ptr::null(),
            tag_count: 0,
        };
        Operation::submit(|data, op, err| unsafe {
            pond_connection_execute(
                self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                params.values.as_ptr(),
                params.values.len(),
                &options,
                data,
                op,
                err,
            )
        })
    }

    /// The rows of a statement. Who drops the future before its end has the statement stopped.
    pub fn execute(
        &mut self,
        sql: &str,
        params: &[Value],
        timeout_ms: i64,
    ) -> impl Future<Output = Result<Vec<Vec<Value>>, Error>> + Send {
        let submitted = self.submit(sql, params, timeout_ms);
        async { read_rows(submitted?.await?.result()) }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        unsafe {
            pond_connection_give_back(self.handle, ptr::null_mut());
            pond_connection_release(self.handle);
        }
    }
}
