//! Values of Rust as parameters, and cells as values of Rust.
use crate::ffi::*;
use crate::pond::{call, to_string, Error};
use std::os::raw::c_char;

/// A parameter or a cell. What Rust's own library has no type for is text, as ISO 8601 writes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
    Date(String),
    Time(String),
    Timestamp(String),
    TimestampTz(String),
    Interval(String), // only from the database
    Uuid(String),
    Json(String),
    Array(Vec<Value>),
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Value::Null => formatter.write_str("NULL"),
            Value::Bool(flag) => write!(formatter, "{}", flag),
            Value::Integer(number) => write!(formatter, "{}", number),
            Value::Real(number) => write!(formatter, "{}", number),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|b| write!(formatter, "{:02x}", b)),
            Value::Array(items) => {
                let shown: Vec<String> = items.iter().map(Value::to_string).collect();
                write!(formatter, "[{}]", shown.join(", "))
            }
            Value::Decimal(text)
            | Value::Text(text)
            | Value::Date(text)
            | Value::Time(text)
            | Value::Timestamp(text)
            | Value::TimestampTz(text)
            | Value::Interval(text)
            | Value::Uuid(text)
            | Value::Json(text) => formatter.write_str(text),
        }
    }
}

/// Parameters as the library takes them. They point into the values, which must live until the call
/// that they are for has returned, and into `_arrays`.
pub struct Params {
    pub values: Vec<PondValue>,
    _arrays: Vec<Params>,
}

impl Params {
    pub fn new(given: &[Value]) -> Result<Params, Error> {
        let mut params = Params { values: Vec::with_capacity(given.len()), _arrays: Vec::new() };
        for value in given {
            let made = params.make(value)?;
            params.values.push(made);
        }
        Ok(params)
    }

    fn make(&mut self, value: &Value) -> Result<PondValue, Error> {
        // SAFETY: these functions only copy what they are given.
        Ok(unsafe {
            match value {
                Value::Null => pond_value_null(),
                Value::Bool(flag) => pond_value_bool((*flag).into()),
                Value::Integer(number) => pond_value_int64(*number),
                Value::Real(number) => pond_value_double(*number),
                Value::Decimal(text) => sized(TYPE_DECIMAL, text.as_bytes()),
                Value::Text(text) => sized(TYPE_TEXT, text.as_bytes()),
                Value::Bytes(bytes) => sized(TYPE_BYTES, bytes),
                Value::Json(text) => sized(TYPE_JSON, text.as_bytes()),
                Value::Date(text) => parse(TYPE_DATE, text)?,
                Value::Time(text) => parse(TYPE_TIME, text)?,
                Value::Timestamp(text) => parse(TYPE_TIMESTAMP, text)?,
                Value::TimestampTz(text) => parse(TYPE_TIMESTAMPTZ, text)?,
                Value::Interval(text) => parse(TYPE_INTERVAL, text)?, // refused
                Value::Uuid(text) => parse(TYPE_UUID, text)?,
                Value::Array(items) => self.array(items)?,
            }
        })
    }

    fn array(&mut self, items: &[Value]) -> Result<PondValue, Error> {
        let inner = Params::new(items)?;
        let array = Array { items: inner.values.as_ptr(), count: inner.values.len() };
        self._arrays.push(inner); // whose values stay where they are
        Ok(PondValue { kind: TYPE_ARRAY, aux: 0, payload: Payload { array } })
    }
}

unsafe fn sized(kind: u32, bytes: &[u8]) -> PondValue {
    pond_value_sized(kind, bytes.as_ptr().cast(), bytes.len())
}

fn parse(kind: u32, text: &str) -> Result<PondValue, Error> {
    let mut value = PondValue { kind: TYPE_NULL, aux: 0, payload: Payload { integer: 0 } };
    let (data, size) = (text.as_ptr().cast(), text.len());
    call(|err| unsafe { pond_value_parse(kind, data, size, &mut value, err) })?;
    Ok(value)
}

unsafe fn bytes_of(cell: &PondValue) -> &[u8] {
    let text = cell.payload.text;
    if text.size == 0 {
        return &[];
    }
    std::slice::from_raw_parts(text.data.cast(), text.size)
}

unsafe fn text_of(cell: &PondValue) -> String {
    String::from_utf8_lossy(bytes_of(cell)).into_owned()
}

unsafe fn items_of(cell: &PondValue) -> Result<Vec<Value>, Error> {
    let array = cell.payload.array;
    if array.count == 0 {
        return Ok(Vec::new());
    }
    std::slice::from_raw_parts(array.items, array.count).iter().map(from_value).collect()
}

fn format(cell: &PondValue) -> Result<String, Error> {
    let mut out: [c_char; VALUE_TEXT] = [0; VALUE_TEXT];
    call(|err| unsafe { pond_value_format(cell, out.as_mut_ptr(), err) })?;
    Ok(to_string(out.as_ptr()))
}

pub fn from_value(cell: &PondValue) -> Result<Value, Error> {
    // SAFETY: the kind says which member is there; what it points to lives as long as the result.
    Ok(unsafe {
        match cell.kind {
            TYPE_BOOL => Value::Bool(cell.payload.integer != 0),
            TYPE_INT64 => Value::Integer(cell.payload.integer),
            TYPE_DOUBLE => Value::Real(cell.payload.real),
            TYPE_DECIMAL => Value::Decimal(text_of(cell)),
            TYPE_TEXT => Value::Text(text_of(cell)),
            TYPE_BYTES => Value::Bytes(bytes_of(cell).to_vec()),
            TYPE_JSON => Value::Json(text_of(cell)),
            TYPE_ARRAY => Value::Array(items_of(cell)?),
            TYPE_DATE => Value::Date(format(cell)?),
            TYPE_TIME => Value::Time(format(cell)?),
            TYPE_TIMESTAMP => Value::Timestamp(format(cell)?),
            TYPE_TIMESTAMPTZ => Value::TimestampTz(format(cell)?),
            TYPE_INTERVAL => Value::Interval(format(cell)?),
            TYPE_UUID => Value::Uuid(format(cell)?),
            _ => Value::Null,
        }
    })
}

pub fn read_rows(result: *mut PondResult) -> Result<Vec<Vec<Value>>, Error> {
    let columns = unsafe { pond_result_column_count(result) };
    let mut cells = vec![unsafe { pond_value_null() }; columns.max(1)];
    (0..unsafe { pond_result_row_count(result) })
        .map(|row| {
            call(|err| unsafe { pond_result_row(result, row, cells.as_mut_ptr(), err) })?;
            cells[..columns].iter().map(from_value).collect()
        })
        .collect()
}

/// The names of a result's columns.
pub fn column_names(result: *mut PondResult) -> Vec<String> {
    (0..unsafe { pond_result_column_count(result) })
        .map(|column| to_string(unsafe { pond_result_column_name(result, column) }))
        .collect()
}
