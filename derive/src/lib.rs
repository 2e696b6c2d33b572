//! The derive macros of `nestling`. Use them through that crate, which has them beside the traits of the same names.

mod attributes;
mod case;
mod field;
mod from_row;
mod model;
mod output;
mod table;
mod text_enum;

use proc_macro::TokenStream;
use syn::{DeriveInput, Result, parse_macro_input};

/// Makes a struct the model of a table.
#[proc_macro_derive(Model, attributes(model))]
pub fn model(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), |input| Ok(model::Model::read(input)?.output()))
}

/// Makes a struct one that is read from a row, by the names of its columns.
#[proc_macro_derive(FromRow, attributes(from_row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), from_row::derive)
}

/// Makes an enum one that is stored as text.
#[proc_macro_derive(TextEnum, attributes(text_enum))]
pub fn text_enum(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input), text_enum::derive)
}

fn expand(input: DeriveInput, make: impl FnOnce(DeriveInput) -> Result<proc_macro2::TokenStream>) -> TokenStream {
    make(input).unwrap_or_else(syn::Error::into_compile_error).into()
}
