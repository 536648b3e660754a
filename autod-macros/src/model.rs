//! A service in which everything that had to be checked has been checked.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{
    GenericParam, Generics, Ident, ItemTrait, PatType, Path, Token, TraitItemFn, Type,
    TypeParamBound, TypePath,
};

/// A trait that is a service.
pub(crate) struct Service<'a> {
    pub(crate) item: &'a ItemTrait,
    /// The path of the `autod` crate.
    pub(crate) root: &'a Path,
    /// The parameters of the trait, and all that is asked of them.
    pub(crate) generics: Generics,
    pub(crate) methods: Vec<Method<'a>>,
}

impl Service<'_> {
    /// The name of the client type.
    pub(crate) fn client(&self) -> Ident {
        client_ident(&self.item.ident)
    }

    /// The name of the type of the client that blocks.
    pub(crate) fn blocking_client(&self) -> Ident {
        format_ident!("{}BlockingClient", self.item.ident.unraw(), span = self.item.ident.span())
    }

    /// The client that blocks with its parameters.
    pub(crate) fn blocking_client_type(&self) -> TokenStream {
        self.applied(&self.blocking_client())
    }

    /// The trait with its parameters: `Store<T>`.
    pub(crate) fn contract(&self) -> TokenStream {
        self.applied(&self.item.ident)
    }

    /// The client type with its parameters: `StoreClient<T>`.
    pub(crate) fn client_type(&self) -> TokenStream {
        self.applied(&self.client())
    }

    fn applied(&self, ident: &Ident) -> TokenStream {
        let (_, names, _) = self.generics.split_for_impl();
        let mut tokens = ident.to_token_stream();
        names.to_tokens(&mut tokens);
        tokens
    }

    /// The parameters with one more.
    pub(crate) fn generics_with(&self, parameter: GenericParam) -> Generics {
        let mut generics = self.generics.clone();
        generics.params.push(parameter);
        generics
    }

    /// The name of the service in the table and in messages.
    pub(crate) fn name(&self) -> String {
        self.item.ident.unraw().to_string()
    }
}

/// The name of the client type of a trait.
pub(crate) fn client_ident(ident: &Ident) -> Ident {
    format_ident!("{}Client", ident.unraw(), span = ident.span())
}

/// A method of a service.
pub(crate) struct Method<'a> {
    pub(crate) item: &'a TraitItemFn,
    /// The name on the wire.
    pub(crate) name: String,
    /// Without a stream.
    pub(crate) arguments: Vec<Argument<'a>>,
    pub(crate) input: Input<'a>,
    pub(crate) answer: Answer<'a>,
    /// How many items of the answer's stream are kept for a slow caller, if old ones are dropped.
    pub(crate) drop_oldest: Option<usize>,
    /// The handler runs to its end whatever becomes of its caller.
    pub(crate) no_cancel: bool,
    /// Executed twice it does no more than once.
    pub(crate) idempotent: bool,
    /// Nothing is wrong with it.
    pub(crate) right: bool,
}

impl Method<'_> {
    pub(crate) fn ident(&self) -> &Ident {
        &self.item.sig.ident
    }

    /// Whether the method returns its answer as it is, and not as a future of it.
    pub(crate) fn is_plain_stream(&self) -> bool {
        matches!(self.answer, Answer::Stream { error: None, .. })
    }
}

/// An argument without the receiver.
pub(crate) struct Argument<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
}

impl<'a> Argument<'a> {
    /// The argument, if it is a plain name.
    pub(crate) fn read(argument: &'a PatType) -> Option<Self> {
        match &*argument.pat {
            syn::Pat::Ident(pat)
                if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() =>
            {
                Some(Self { ident: &pat.ident, ty: &argument.ty })
            }
            _ => None,
        }
    }
}

/// The stream among the arguments.
pub(crate) enum Input<'a> {
    None,
    Items { ident: &'a Ident, bounds: &'a Punctuated<TypeParamBound, Token![+]>, item: &'a Type },
    Bytes { ident: &'a Ident, ty: &'a Type },
}

/// How a method answers.
pub(crate) enum Answer<'a> {
    /// With nothing but the fact that it is done.
    Unit,
    /// With one value.
    Value(&'a Type),
    /// With a value or with the service's own error.
    Fallible {
        written: &'a Type,
        /// The value and the error, where both can be seen; else they are a projection.
        parts: Option<(&'a Type, &'a Type)>,
    },
    /// With items.
    Stream {
        bounds: &'a Punctuated<TypeParamBound, Token![+]>,
        item: &'a Type,
        /// The whole result and its error, if the stream may fail to open.
        error: Option<(&'a TypePath, &'a Type)>,
    },
}
