//! The definition of a model's table, and the Rust types of its fields.

mod column_type;
mod field;
mod foreign_key;
mod int_enum;
mod key;
mod model;
mod newtype;
mod stored;
mod table;
mod text_enum;

pub use self::{
    column_type::ColumnType,
    field::Field,
    foreign_key::ForeignKey,
    int_enum::IntEnum,
    key::Key,
    model::Model,
    newtype::Newtype,
    stored::Stored,
    table::{ColumnDef, ColumnWrite, IndexDef, ReferenceAction, ReferenceDef, Table},
    text_enum::TextEnum,
};
