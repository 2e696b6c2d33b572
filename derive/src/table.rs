//! The constant of a model's table, and what is checked of the types of its fields when it is compiled: that a length is
//! one of text, an action one of a reference. Used by `output.rs`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{LitStr, spanned::Spanned as _};

use crate::{
    field::{Action, Field, Generated, Stored},
    model::Model,
};

impl Model {
    /// The value of `Model::TABLE`.
    pub(crate) fn table(&self) -> TokenStream {
        let Self { krate, schema, table, key, .. } = self;
        let model = self.ident.to_string();
        let schema = option(schema.as_ref());
        let columns = (0..self.fields.len()).map(|at| self.column(at));
        let indexes = self.indexes.iter().map(|index| {
            let (columns, unique) = (&index.columns, index.unique);
            quote!(#krate::__private::IndexDef { columns: &[#(#columns),*], unique: #unique })
        });
        quote! {
            &#krate::__private::Table {
                model: #model,
                schema: #schema,
                name: #table,
                columns: &[#(#columns),*],
                primary_key: &[#(#key),*],
                indexes: &[#(#indexes),*],
            }
        }
    }

    fn column(&self, at: usize) -> TokenStream {
        let krate = &self.krate;
        let field = &self.fields[at];
        let Field { ty, column, .. } = field;
        let name = field.name();
        let auto = self.auto(at);
        let max_length = match &field.max_length {
            Some(length) => quote!(::std::option::Option::Some(#length)),
            None => quote!(::std::option::Option::None),
        };
        let default_sql = option(field.default_sql.as_ref());
        let check = option(field.check.as_ref());
        let on_delete = action(krate, field.on_delete.as_ref());
        let on_update = action(krate, field.on_update.as_ref());
        let index = field.index.unwrap_or(true);
        let read_only = field.is_read_only();
        let generated = option(field.generated.as_ref().and_then(|generated| generated.sql.as_ref()));
        let must_generate = field.generated.is_some();
        let stored = match &field.stored {
            Some(Stored { variant, .. }) => quote!(#krate::__private::Stored::#variant),
            None => quote!(#krate::__private::Stored::Native),
        };
        quote! {
            #krate::__private::ColumnDef {
                name: #column,
                field: #name,
                ty: <#ty as #krate::__private::Field>::TYPE,
                null: <#ty as #krate::__private::Field>::NULL,
                auto: #auto,
                max_length: #max_length,
                default_sql: #default_sql,
                check: #check,
                references: #krate::__private::reference::<#ty>(#on_delete, #on_update, #index),
                stored: #stored,
                write: #krate::__private::write(#read_only, #must_generate, #generated),
            }
        }
    }

    /// Whether the database numbers new rows by the field.
    fn auto(&self, at: usize) -> TokenStream {
        let Self { krate, key, .. } = self;
        let Field { ty, auto, default, default_sql, generated, .. } = &self.fields[at];
        let computed = matches!(generated, Some(Generated { sql: Some(_), .. }));
        match auto {
            Some(auto) => quote!(#auto),
            None if *key == [at] && default.is_none() && default_sql.is_none() && !computed => {
                quote!(#krate::__private::can_be_auto::<#ty>())
            }
            None => quote!(false),
        }
    }

    /// What must hold of the types, as constants that do not compile otherwise.
    pub(crate) fn checks(&self) -> TokenStream {
        self.fields.iter().enumerate().map(|(at, field)| self.checks_of(at, field)).collect()
    }

    fn checks_of(&self, at: usize, field: &Field) -> TokenStream {
        let Self { krate, key, .. } = self;
        let ty = &field.ty;
        let mut out = TokenStream::new();
        let mut check = |span: Span, what: TokenStream, message: &str| {
            out.extend(quote_spanned! {span=> const _: () = ::std::assert!(#what, #message); });
        };
        if let Some(length) = &field.max_length {
            check(length.span(), quote!(#krate::__private::is_text::<#ty>()), "`max_length` is for text");
        }
        if let Some(auto) = field.auto.as_ref().filter(|auto| auto.value) {
            let message = "a key that the database numbers is an integer";
            check(auto.span, quote!(#krate::__private::can_be_auto::<#ty>()), message);
        }
        if let Some(Stored { of, span, .. }) = &field.stored {
            let message = match of.to_string().as_str() {
                "Uuid" => "this form is one of UUIDs",
                _ => "this form is one of moments: `DateTime<Utc>`",
            };
            let ty = quote!(<#ty as #krate::__private::Field>::TYPE);
            check(*span, quote!(::std::matches!(#ty, #krate::__private::ColumnType::#of)), message);
        }
        for action in [&field.on_delete, &field.on_update].into_iter().flatten() {
            let message = "only a foreign key has `on_delete` and `on_update`";
            check(action.span, quote!(#krate::__private::is_reference::<#ty>()), message);
            if action.variant == "SetNull" {
                let message = "a reference that becomes NULL is an `Option<ForeignKey<…>>`";
                check(action.span, quote!(<#ty as #krate::__private::Field>::NULL), message);
            }
        }
        if key.contains(&at) {
            check(ty.span(), quote!(!<#ty as #krate::__private::Field>::NULL), "a primary key cannot be NULL");
        }
        out
    }
}

fn option(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

fn action(krate: &syn::Path, action: Option<&Action>) -> TokenStream {
    match action {
        Some(Action { variant, .. }) => {
            quote!(::std::option::Option::Some(#krate::__private::ReferenceAction::#variant))
        }
        None => quote!(::std::option::Option::None),
    }
}
