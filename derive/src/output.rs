//! The code of `#[derive(Model)]`: constants of columns, the traits `Model` and `FromRow`, and methods of referenced models. All
//! paths are absolute, so that names in the user's scope do not interfere.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Expr, spanned::Spanned as _};

use crate::{
    field::{Default, Field},
    from_row,
    model::Model,
};

impl Model {
    pub(crate) fn output(&self) -> TokenStream {
        let constants = self.constants();
        let implementation = self.implementation();
        let from_row = self.reading();
        let backrefs = self.fields.iter().map(|field| self.backref(field));
        let checks = self.checks();
        quote!(#constants #implementation #from_row #(#backrefs)* #checks)
    }

    /// A constant for each column, as visible as its field.
    fn constants(&self) -> TokenStream {
        let Self { ident, krate, fields, .. } = self;
        let constants = fields.iter().enumerate().map(|(at, field)| {
            let Field { vis, ty, docs, column, .. } = field;
            let name = field.constant();
            let doc = format!("The column `{}`.", column.value());
            let gap = (!docs.is_empty()).then(|| quote!(#[doc = ""]));
            quote! {
                #[doc = #doc]
                #gap
                #(#docs)*
                #vis const #name: #krate::__private::Column<Self, #ty> = #krate::__private::Column::new(#at);
            }
        });
        quote! {
            #[allow(dead_code, unreachable_pub)]
            impl #ident {
                #(#constants)*
            }
        }
    }

    fn implementation(&self) -> TokenStream {
        let Self { ident, krate, fields, key, .. } = self;
        let types = key.iter().map(|&at| &fields[at].ty);
        let values = key.iter().map(|&at| {
            let Field { ident, ty, .. } = &fields[at];
            quote_spanned!(ty.span()=> ::std::clone::Clone::clone(&self.#ident))
        });
        // For one field the parentheses make no tuple, and are not there, as they would be warned of.
        let (key_type, key_value) = match key.as_slice() {
            [_] => (quote!(#(#types)*), quote!(#(#values)*)),
            _ => (quote!((#(#types),*)), quote!((#(#values),*))),
        };
        let table = self.table();
        let numbers = 0..fields.len();
        let sent = fields
            .iter()
            .map(|Field { ident, ty, .. }| quote!(<#ty as #krate::__private::Field>::to_value(&self.#ident)));
        let defaults = fields.iter().enumerate().filter_map(|(at, field)| self.default(at, field));
        let read = fields
            .iter()
            .enumerate()
            .map(|(at, Field { ident, ty, .. })| quote!(#ident: #krate::__private::read::<#ty>(row, first + #at)?));
        quote! {
            #[automatically_derived]
            impl #krate::__private::Model for #ident {
                type Key = #key_type;

                const TABLE: &'static #krate::__private::Table = #table;

                fn key(&self) -> Self::Key {
                    #key_value
                }

                fn value(&self, column: usize) -> #krate::__private::Value {
                    let value = match column {
                        #(#numbers => #sent,)*
                        _ => #krate::__private::no_column(<Self as #krate::__private::Model>::TABLE, column),
                    };
                    #krate::__private::stored(<Self as #krate::__private::Model>::TABLE, column, value)
                }

                fn default_value(column: usize) -> ::std::option::Option<#krate::__private::Value> {
                    match column {
                        #(#defaults)*
                        _ => ::std::option::Option::None,
                    }
                }

                #[inline]
                fn read(row: &#krate::__private::Row, first: usize) -> #krate::__private::Result<Self> {
                    ::std::result::Result::Ok(Self { #(#read),* })
                }
            }
        }
    }

    fn default(&self, at: usize, field: &Field) -> Option<TokenStream> {
        let krate = &self.krate;
        let ty = &field.ty;
        let value = match field.default.as_ref()? {
            Default::OfType(span) => quote_spanned!(*span=> <#ty as ::std::default::Default>::default()),
            Default::Expr(expr) => quote!(#expr),
        };
        let span = match field.default.as_ref()? {
            Default::OfType(span) => *span,
            Default::Expr(expr) => Expr::span(expr),
        };
        let value = quote_spanned!(span=> #krate::__private::default_value::<#ty>(#value));
        let value = quote!(#krate::__private::stored(<Self as #krate::__private::Model>::TABLE, #at, #value));
        Some(quote!(#at => ::std::option::Option::Some(#value),))
    }

    /// By position if the names are those of the table, in its order; else by name.
    fn reading(&self) -> TokenStream {
        let Self { ident, krate, fields, .. } = self;
        let fields = fields.iter().map(|Field { ident, ty, column, .. }| from_row::Source::plain(ident, ty, column));
        let read = quote!(#krate::__private::read);
        from_row::implementation(krate, ident, &fields.collect::<Vec<_>>(), &read)
    }

    /// The method of the model that a field refers to.
    fn backref(&self, field: &Field) -> Option<TokenStream> {
        let Self { ident, vis, krate, .. } = self;
        let back = field.backref.as_ref()?;
        let (name, target, constant) = (&back.name, &back.target, field.constant());
        let doc = format!(
            "The rows of `{ident}` whose `{}` is this row, to be narrowed down. Made by `backref` of that field.",
            field.name()
        );
        Some(quote_spanned! {name.span()=>
            #[allow(dead_code, unreachable_pub)]
            impl #target {
                #[doc = #doc]
                #vis fn #name(&self) -> #krate::__private::Select<#ident> {
                    let condition = #krate::__private::Column::eq(#ident::#constant, self);
                    #krate::__private::Select::filter(<#ident as #krate::__private::Model>::select(), condition)
                }
            }
        })
    }
}
