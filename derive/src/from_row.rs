//! `#[derive(FromRow)]`: reads by position if the row begins with the names of the fields in their order, else by name. Also
//! part of `#[derive(Model)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Ident, LitStr, Path, Result, Type, ext::IdentExt as _};

use crate::{
    attributes::{Attributes, Errors},
    case::Case,
    model,
};

/// A field, and the column that it is read from.
pub(crate) struct Source<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) column: &'a LitStr,
}

/// What the derive makes.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    model::refuse_generics(&input, "a struct that is read from rows")?;
    let mut given = Attributes::read(&input.attrs, "from_row")?;
    let krate = model::krate(&mut given)?;
    let case = given.text("rename_all")?.map(|name| Case::named(&name)).transpose()?;
    given.finish("`rename_all`, `crate`")?;
    let mut errors = Errors::default();
    let mut fields = Vec::new();
    for field in model::named_fields(input.data, &input.ident, "FromRow")? {
        let Some(ident) = field.ident else {
            continue; // what has been taken for named fields has names
        };
        if let Some(column) = errors.keep(column(&field.attrs, &ident, case)) {
            fields.push((ident, field.ty, column));
        }
    }
    errors.finish()?;
    let sources: Vec<_> = fields.iter().map(|(ident, ty, column)| Source { ident, ty, column }).collect();
    Ok(implementation(&krate, &input.ident, &sources, &quote!(#krate::__private::Row::get)))
}

fn column(attributes: &[syn::Attribute], ident: &Ident, case: Option<Case>) -> Result<LitStr> {
    let mut given = Attributes::read(attributes, "from_row")?;
    let renamed = given.name("rename")?;
    given.finish("`rename`")?;
    let name = ident.unraw().to_string();
    let name = || case.map_or_else(|| name.clone(), |case| case.write(&name));
    Ok(renamed.unwrap_or_else(|| LitStr::new(&name(), ident.span())))
}

/// The implementation for a struct of these fields, each of which is read by the function `read`.
pub(crate) fn implementation(krate: &Path, ident: &Ident, fields: &[Source<'_>], read: &TokenStream) -> TokenStream {
    let names = fields.iter().map(|field| field.column);
    let by_position =
        fields.iter().enumerate().map(|(at, Source { ident, ty, .. })| quote!(#ident: #read::<#ty>(row, #at)?));
    let by_name = fields.iter().map(|Source { ident, ty, column }| quote!(#ident: #read::<#ty>(row, #column)?));
    quote! {
        #[automatically_derived]
        impl #krate::__private::FromRow for #ident {
            fn from_row(row: &#krate::__private::Row) -> #krate::__private::Result<Self> {
                if #krate::__private::begins_with(row, &[#(#names),*]) {
                    ::std::result::Result::Ok(Self { #(#by_position),* })
                } else {
                    ::std::result::Result::Ok(Self { #(#by_name),* })
                }
            }
        }
    }
}
