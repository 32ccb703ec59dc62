//! A safe face on the C interface: owners that release, errors as `Result`.
use crate::ffi::*;
use std::ffi::{CStr, CString};
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

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Value::Null => formatter.write_str("null"),
            Value::Integer(number) => write!(formatter, "{}", number),
            Value::Text(text) => formatter.write_str(text),
        }
    }
}

pub(crate) fn to_string(text: *const c_char) -> String {
    // SAFETY: the library's strings are NUL-terminated and live through this call.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Call a function of the library, giving it the place for its error.
pub(crate) fn call(function: impl FnOnce(*mut *mut PondError) -> c_int) -> Result<(), Error> {
    let mut details = ptr::null_mut();
    let code = function(&mut details);
    if code == 0 {
        return Ok(());
    }
    if details.is_null() {
        return Err(Error { code, message: format!("error {}", code) });
    }
    // SAFETY: a failing call left the details to us.
    unsafe {
        let error = Error {
            code: pond_error_code(details),
            message: to_string(pond_error_message(details)),
        };
        pond_error_free(details);
        Err(error)
    }
}

/// The pool of one database, and a loop with a thread of the library's own, so that any thread may
/// lease connections and wait for them.
pub struct Database {
    pool: *mut PondPool,
    pond_loop: *mut PondLoop,
}

// SAFETY: pools are for any thread, and so are loops that have a thread.
unsafe impl Send for Database {}
unsafe impl Sync for Database {}

impl Database {
    pub fn open(driver: &str, settings: &[(String, String)]) -> Result<Database, Error> {
        let text = |text: &str| CString::new(text).expect("no NUL in a setting");
        let mut config = ptr::null_mut();
        let mut database = Database { pool: ptr::null_mut(), pond_loop: ptr::null_mut() };
        call(|err| unsafe { pond_config_new(text(driver).as_ptr(), &mut config, err) })?;
        let opened = settings
            .iter()
            .try_for_each(|(key, value)| {
                let (key, value) = (text(key), text(value));
                call(|err| unsafe { pond_config_set(config, key.as_ptr(), value.as_ptr(), err) })
            })
            .and_then(|_| call(|err| unsafe { pond_pool_open(config, &mut database.pool, err) }));
        unsafe { pond_config_release(config) };
        opened?;
        call(|err| unsafe { pond_loop_new(&mut database.pond_loop, err) })?;
        call(|err| unsafe {
            pond_loop_start_thread(database.pond_loop, None, ptr::null_mut(), err)
        })?;
        Ok(database)
    }

    pub(crate) fn pool(&self) -> *mut PondPool {
        self.pool
    }

    pub fn acquire(&self) -> Result<Connection, Error> {
        let mut handle = ptr::null_mut();
        call(|err| unsafe {
            pond_pool_acquire_wait(self.pool, self.pond_loop, TIMEOUT_DEFAULT, &mut handle, err)
        })?;
        Ok(Connection { handle, _database: self })
    }

    /// Wait for connections to come back, at most so long, then take them.
    pub fn close(self, timeout_ms: i64) -> Result<(), Error> {
        call(|err| unsafe { pond_pool_close_wait(self.pool, timeout_ms, err) })
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

impl Connection<'_> {
    pub(crate) fn handle(&mut self) -> *mut PondConnection {
        self.handle
    }

    pub fn server_version(&self) -> String {
        to_string(unsafe { pond_connection_server_version(self.handle) })
    }

    /// Commit if the function returns `Ok`, else roll back.
    pub fn transaction<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.end(BEGIN)?;
        match body(self) {
            Ok(value) => self.end(COMMIT).map(|_| value),
            Err(error) => {
                let _ = self.end(ROLLBACK); // the first error says more
                Err(error)
            }
        }
    }

    fn end(&mut self, verb: c_int) -> Result<(), Error> {
        call(|err| unsafe {
            pond_connection_transaction_wait(self.handle, verb, TIMEOUT_DEFAULT, err)
        })
    }

    /// The rows of a statement, which ends within `timeout_ms` (-1: the database's own limit).
    pub fn execute(
        &mut self,
        sql: &str,
        params: &[Value],
        timeout_ms: i64,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let values: Vec<PondValue> = params.iter().map(to_value).collect();
        let options = ExecuteOptions {
            struct_size: std::mem::size_of::<ExecuteOptions>() as u32,
            flags: 0,
            timeout_ms,
            tags: ptr::null(),
            tag_count: 0,
        };
        let mut result = ptr::null_mut();
        call(|err| unsafe {
            pond_connection_execute_wait(
                self.handle,
                sql.as_ptr().cast(),
                sql.len(),
                values.as_ptr(),
                values.len(),
                &options,
                &mut result,
                err,
            )
        })?;
        let rows = read_rows(result);
        unsafe { pond_result_release(result) };
        rows
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

/// A view of a parameter, which the parameter must outlive.
pub(crate) fn to_value(value: &Value) -> PondValue {
    let (kind, payload) = match value {
        Value::Null => (TYPE_NULL, Payload { integer: 0 }),
        Value::Integer(number) => (TYPE_INT64, Payload { integer: *number }),
        Value::Text(text) => {
            (TYPE_TEXT, Payload { text: Text { data: text.as_ptr().cast(), size: text.len() } })
        }
    };
    PondValue { kind, aux: 0, payload }
}

fn from_value(cell: &PondValue) -> Value {
    // SAFETY: the kind says which member is there; the text lives as long as the result.
    unsafe {
        match cell.kind {
            TYPE_INT64 => Value::Integer(cell.payload.integer),
            TYPE_TEXT => {
                let text = cell.payload.text;
                let bytes = std::slice::from_raw_parts(text.data.cast(), text.size);
                Value::Text(String::from_utf8_lossy(bytes).into_owned())
            }
            _ => Value::Null,
        }
    }
}

pub(crate) fn read_rows(result: *mut PondResult) -> Result<Vec<Vec<Value>>, Error> {
    let columns = unsafe { pond_result_column_count(result) };
    let empty = PondValue { kind: TYPE_NULL, aux: 0, payload: Payload { integer: 0 } };
    let mut cells = vec![empty; columns];
    (0..unsafe { pond_result_row_count(result) })
        .map(|row| {
            call(|err| unsafe { pond_result_row(result, row, cells.as_mut_ptr(), err) })?;
            Ok(cells.iter().map(from_value).collect())
        })
        .collect()
}
