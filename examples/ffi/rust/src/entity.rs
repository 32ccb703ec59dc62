//! Entities: records that are saved by name, with a history of every change.
use crate::ffi::*;
use crate::operation::Operation;
use crate::pond::{c_text, call, Connection, Database, Error};
use crate::value::{column_names, read_rows, Params, Value};
use std::collections::HashMap;
use std::ffi::CString;
use std::ptr;

pub type Record = HashMap<String, Value>;

/// The entities of one name in one database.
pub struct Entities {
    schema: *mut PondSchema,
    name: CString,
}

// SAFETY: schemas and plans are for any thread, a plan for one at a time.
unsafe impl Send for Entities {}
unsafe impl Sync for Entities {}

struct Plan(*mut PondPlan);

unsafe impl Send for Plan {}

impl Drop for Plan {
    fn drop(&mut self) {
        unsafe { pond_plan_release(self.0) };
    }
}

impl Entities {
    pub fn new(database: &Database, name: &str) -> Result<Entities, Error> {
        let mut schema = ptr::null_mut();
        call(|err| unsafe { pond_pool_schema(database.pool(), &mut schema, err) })?;
        Ok(Entities { schema, name: c_text(name) })
    }

    fn save_plan(&self, fields: &[(&str, Value)]) -> Result<Plan, Error> {
        let names: Vec<CString> = fields.iter().map(|(name, _)| c_text(name)).collect();
        let values: Vec<Value> = fields.iter().map(|(_, value)| value.clone()).collect();
        let params = Params::new(&values)?;
        let given: Vec<PondField> = params
            .values
            .iter()
            .zip(&names)
            .map(|(value, name)| PondField {
                name: name.as_ptr(),
                kind: ptr::null(),
                value: *value,
            })
            .collect();
        let record = PondRecord { fields: given.as_ptr(), field_count: given.len() as u64 };
        let mut plan = ptr::null_mut();
        call(|err| unsafe {
            pond_plan_save(self.schema, self.name.as_ptr(), &record, ptr::null(), &mut plan, err)
        })?;
        Ok(Plan(plan))
    }

    /// Create, or update if the fields have an id; the answer is the whole entity.
    pub async fn save(
        &self,
        connection: &mut Connection<'_>,
        fields: &[(&str, Value)],
    ) -> Result<Record, Error> {
        let plan = self.save_plan(fields)?;
        Ok(run(connection, plan).await?.remove(0))
    }

    /// All versions of one entity.
    pub async fn history(
        &self,
        connection: &mut Connection<'_>,
        id: &str,
    ) -> Result<Vec<Record>, Error> {
        let mut plan = Plan(ptr::null_mut());
        call(|err| unsafe {
            let (name, id) = (self.name.as_ptr(), c_text(id));
            pond_plan_history(self.schema, name, id.as_ptr(), ptr::null(), &mut plan.0, err)
        })?;
        run(connection, plan).await
    }
}

impl Drop for Entities {
    fn drop(&mut self) {
        unsafe { pond_schema_release(self.schema) };
    }
}

/// Run a plan to its end.
async fn run(connection: &mut Connection<'_>, plan: Plan) -> Result<Vec<Record>, Error> {
    Operation::submit(|data, op, err| unsafe {
        pond_connection_run(connection.handle(), plan.0, TIMEOUT_DEFAULT, data, op, err)
    })?
    .await?;
    let result = unsafe { pond_plan_take_result(plan.0) };
    let records = to_records(result);
    unsafe { pond_result_release(result) };
    records
}

fn to_records(result: *mut PondResult) -> Result<Vec<Record>, Error> {
    let names = column_names(result);
    let rows = read_rows(result)?;
    Ok(rows.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect())
}
