//! The macro `methods!`, by which a method is written once and had by both expressions and columns of a type.

/// Methods of `Expr<T>` and of `Column<M, T>`, which is taken as an expression first.
macro_rules! methods {
    ([$type:ident $(: $bound:path)?] $($(#[$doc:meta])* fn $name:ident$(<$generic:ident: $of:path>)?($self:ident $(, $arg:ident: $given:ty)*) -> $out:ty $body:block)+) => {
        impl<$type $(: $bound)?> Expr<$type> {$(
            $(#[$doc])*
            pub fn $name$(<$generic: $of>)?($self, $($arg: $given),*) -> $out $body
        )+}

        impl<M: Model, $type $(: $bound)?> Column<M, $type> {$(
            $(#[$doc])*
            pub fn $name$(<$generic: $of>)?(self, $($arg: $given),*) -> $out {
                self.expr().$name($($arg),*)
            }
        )+}
    };
}
