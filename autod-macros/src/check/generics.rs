//! The rules of the parameters of a service, and what is asked of them.

use syn::{GenericParam, Generics, ItemTrait, Path, Type, WherePredicate, parse_quote};

use crate::check::bare;
use crate::mistakes::Mistakes;

pub(super) fn check(item: &ItemTrait, mistakes: &mut Mistakes) {
    let name = &item.ident;
    for parameter in &item.generics.params {
        if let GenericParam::Lifetime(parameter) = parameter {
            let lifetime = &parameter.lifetime;
            mistakes.at(
                parameter,
                format_args!(
                    "what is sent owns its data: `{lifetime}` cannot be, write `trait {name}` or a \
                     parameter that is a type"
                ),
            );
        }
    }
    let clause = item.generics.where_clause.iter();
    for predicate in clause.flat_map(|clause| &clause.predicates) {
        match predicate {
            WherePredicate::Type(predicate) if is_self(&predicate.bounded_ty) => mistakes.at(
                predicate,
                format_args!(
                    "what the objects of a service have to be stands behind its name, as in \
                     `trait {name}: Debug`"
                ),
            ),
            WherePredicate::Lifetime(predicate) => {
                mistakes.at(predicate, "a service has no lifetimes: what is sent owns its data");
            }
            _ => {}
        }
    }
}

fn is_self(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.is_ident("Self"))
}

/// The parameters without lifetimes, each type one that can be sent.
pub(super) fn of(item: &ItemTrait, root: &Path) -> Generics {
    let mut generics = item.generics.clone();
    generics.params = generics
        .params
        .into_iter()
        .filter(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
        .collect();
    if generics.params.is_empty() {
        return Generics::default();
    }
    let types: Vec<_> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    let clause = generics.make_where_clause();
    clause.predicates = clause
        .predicates
        .iter()
        .filter(|predicate| match predicate {
            WherePredicate::Type(predicate) => !is_self(&predicate.bounded_ty),
            WherePredicate::Lifetime(_) => false,
            _ => true,
        })
        .cloned()
        .collect();
    for ident in types {
        clause.predicates.push(parse_quote!(#ident: #root::Value));
    }
    generics
}
