//! `#[derive(IntEnum)]`: an enum whose variants are stored as integers, which are their discriminants.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Ident, Path, Result};

use crate::{
    attributes::{Attributes, Errors},
    model,
};

/// What the derive makes.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    model::refuse_generics(&input, "an enum that is stored as an integer")?;
    let mut given = Attributes::read(&input.attrs, "int_enum")?;
    let krate = model::krate(&mut given)?;
    given.finish("`crate`")?;
    let Data::Enum(data) = input.data else {
        return Err(Error::new(input.ident.span(), "`IntEnum` is derived for enums"));
    };
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "an enum without variants has no values to store"));
    }
    let column = column(&input.attrs)?;
    let mut errors = Errors::default();
    let mut variants = Vec::new();
    for variant in data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            let message = "a variant that is stored as an integer has no fields";
            errors.push(Error::new_spanned(&variant.fields, message));
        }
        variants.push(variant.ident);
    }
    errors.finish()?;
    Ok(implementations(&krate, &input.ident, &column, &variants))
}

/// The type of the column, by `#[repr(…)]`, and the least and the greatest integer of it.
fn column(attributes: &[Attribute]) -> Result<Column> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            found = meta.path.get_ident().cloned();
            Ok(())
        })?;
    }
    let Some(repr) = found else {
        return Ok(Column::I32);
    };
    match &*repr.to_string() {
        "i8" | "u8" | "i16" => Ok(Column::I16),
        "u16" | "i32" => Ok(Column::I32),
        "u32" | "i64" | "isize" => Ok(Column::I64),
        _ => {
            let message = "an enum that is stored as an integer is of `i8`, `u8`, `i16`, `u16`, `i32`, `u32`, `i64`";
            Err(Error::new(repr.span(), message))
        }
    }
}

/// The columns that hold an integer.
enum Column {
    I16,
    I32,
    I64,
}

fn implementations(krate: &Path, ident: &Ident, column: &Column, names: &[Ident]) -> TokenStream {
    let column = match column {
        Column::I16 => quote!(I16),
        Column::I32 => quote!(I32),
        Column::I64 => quote!(I64),
    };
    let value = quote!(<#krate::__private::Value as ::std::convert::From<i64>>::from);
    quote! {
        #[automatically_derived]
        #[allow(clippy::cast_lossless, clippy::cast_possible_wrap)]
        impl #krate::__private::IntEnum for #ident {
            const VALUES: &'static [i64] = &[#(Self::#names as i64),*];

            fn int(&self) -> i64 {
                match self {
                    #(Self::#names => Self::#names as i64,)*
                }
            }

            fn from_int(int: i64) -> ::std::option::Option<Self> {
                #(if int == Self::#names as i64 {
                    return ::std::option::Option::Some(Self::#names);
                })*
                ::std::option::Option::None
            }
        }

        const _: () = #krate::__private::check_int_enum::<#ident>(#krate::__private::ColumnType::#column);

        #[automatically_derived]
        impl<'r> #krate::__private::FromCell<'r> for #ident {
            fn from_cell(cell: #krate::__private::Cell<'r>) -> ::std::result::Result<Self, #krate::__private::Mismatch> {
                #krate::__private::read_int_enum(cell)
            }
        }

        #[automatically_derived]
        impl #krate::__private::Field for #ident {
            const TYPE: #krate::__private::ColumnType = #krate::__private::ColumnType::#column;

            fn to_value(&self) -> #krate::__private::Value {
                #value(#krate::__private::IntEnum::int(self))
            }
        }

        #[automatically_derived]
        impl ::std::convert::From<#ident> for #krate::__private::Value {
            fn from(value: #ident) -> Self {
                #value(#krate::__private::IntEnum::int(&value))
            }
        }
    }
}
