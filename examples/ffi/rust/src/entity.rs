//! Entities: records that are saved by name, with a history of every change.
use crate::ffi::*;
use crate::pond::{call, read_rows, to_string, to_value, Connection, Database, Error, Value};
use std::collections::HashMap;
use std::ffi::CString;
use std::ptr;

pub type Record = HashMap<String, Value>;

/// The entities of one name in one database.
pub struct Entities {
    schema: *mut PondSchema,
    name: CString,
}

impl Entities {
    pub fn new(database: &Database, name: &str) -> Result<Entities, Error> {
        let mut schema = ptr::null_mut();
        call(|err| unsafe { pond_pool_schema(database.pool(), &mut schema, err) })?;
        Ok(Entities { schema, name: c_text(name) })
    }

    /// Create, or update if the fields have an id; the answer is the whole entity.
    pub fn save(
        &self,
        connection: &mut Connection,
        fields: &[(&str, Value)],
    ) -> Result<Record, Error> {
        let names: Vec<CString> = fields.iter().map(|(name, _)| c_text(name)).collect();
        let given: Vec<PondField> = fields
            .iter()
            .zip(&names)
            .map(|((_, value), name)| PondField {
                name: name.as_ptr(),
                kind: ptr::null(),
                value: to_value(value),
            })
            .collect();
        let record = PondRecord { fields: given.as_ptr(), field_count: given.len() as u64 };
        let mut plan = ptr::null_mut();
        call(|err| unsafe {
            pond_plan_save(self.schema, self.name.as_ptr(), &record, ptr::null(), &mut plan, err)
        })?;
        Ok(run(connection, plan)?.remove(0))
    }

    /// All versions of one entity.
    pub fn history(&self, connection: &mut Connection, id: &str) -> Result<Vec<Record>, Error> {
        let (name, id) = (self.name.as_ptr(), c_text(id));
        let mut plan = ptr::null_mut();
        call(|err| unsafe {
            pond_plan_history(self.schema, name, id.as_ptr(), ptr::null(), &mut plan, err)
        })?;
        run(connection, plan)
    }
}

impl Drop for Entities {
    fn drop(&mut self) {
        unsafe { pond_schema_release(self.schema) };
    }
}

fn c_text(text: &str) -> CString {
    CString::new(text).expect("no NUL in a name")
}

/// Run a plan to its end, and release it.
fn run(connection: &mut Connection, plan: *mut PondPlan) -> Result<Vec<Record>, Error> {
    let done = call(|err| unsafe {
        pond_connection_run_wait(connection.handle(), plan, TIMEOUT_DEFAULT, err)
    });
    let result = unsafe { pond_plan_take_result(plan) };
    let records = done.and_then(|_| to_records(result));
    unsafe {
        pond_result_release(result);
        pond_plan_release(plan);
    }
    records
}

fn to_records(result: *mut PondResult) -> Result<Vec<Record>, Error> {
    let names: Vec<String> = (0..unsafe { pond_result_column_count(result) })
        .map(|column| to_string(unsafe { pond_result_column_name(result, column) }))
        .collect();
    let rows = read_rows(result)?;
    Ok(rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect())
}
