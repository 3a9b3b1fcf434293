//! Puts mutants into sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::Span;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, BinOp, Block, Expr, ExprBinary, ExprConst, ExprRepeat, GenericArgument, ImplItemConst, ImplItemFn, Item, ItemFn, Macro, Pat,
    ReturnType, Signature,
};
use syn::{Stmt, Token, Type, Variant, parse_quote};

use crate::{Change, Mutant, switch};

/// Accounts' second fence, which nothing reaches as long as the first one holds: its mutants would all survive.
const INVARIANT: &str = "invariant";
/// Files of which tests are made.
const TESTS: [&str; 2] = ["tests.rs", "testing.rs"];

/// Mutates these crates, named by their folders in a copy of the workspace, and lists the mutants.
pub fn all(workspace: &Path, crates: &[PathBuf], list: &Path) -> Result<()> {
    let mut mutants = Vec::new();
    for folder in crates {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        for file in sources(&workspace.join(folder).join("src"))? {
            let source = fs::read_to_string(&file)?;
            let mut syntax = syn::parse_file(&source).with_context(|| format!("cannot parse {}", file.display()))?;
            let mut mutator = Mutator {
                package: &name,
                file: file.strip_prefix(workspace)?.to_string_lossy().into_owned(),
                is_const: false,
                mutants: &mut mutants,
            };
            mutator.visit_file_mut(&mut syntax);
            fs::write(&file, syntax.into_token_stream().to_string())?;
        }
    }
    let protocol = workspace.join(switch::CRATE).join("src");
    fs::write(protocol.join("mutant.rs"), switch::MODULE)?;
    let root = protocol.join("lib.rs");
    let with_switch = fs::read_to_string(&root)? + switch::DECLARATION;
    fs::write(root, with_switch)?;
    fs::write(list, serde_json::to_vec(&mutants)?)?;
    println!("{} mutants", mutants.len());
    Ok(())
}

/// The Rust files in a folder, in order, without those of tests.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !TESTS.iter().any(|name| path.ends_with(name)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct Mutator<'a> {
    package: &'a str,
    file: String,
    /// Constants and functions that are evaluated at compile time cannot ask which mutant is on.
    is_const: bool,
    mutants: &'a mut Vec<Mutant>,
}

impl Mutator<'_> {
    /// The condition that a new mutant is on.
    fn mutant(&mut self, change: Change, (line, code): &(usize, String)) -> Option<Expr> {
        if self.is_const {
            return None;
        }
        let number = u16::try_from(self.mutants.len() + 1).ok()?;
        self.mutants.push(Mutant {
            number,
            package: self.package.to_owned(),
            file: self.file.clone(),
            line: *line,
            change,
            code: code.clone(),
        });
        Some(match self.package {
            // A part of every program: there its mutants stay off, as they would make all instructions dearer.
            switch::CRATE => parse_quote!(::protocol::mutant::in_tests(#number)),
            _ => parse_quote!(::protocol::mutant::on(#number)),
        })
    }

    fn function(&mut self, signature: &Signature, block: &mut Block, visit: impl FnOnce(&mut Self, &mut Block)) {
        if signature.ident == INVARIANT {
            return;
        }
        let outside = std::mem::replace(&mut self.is_const, signature.constness.is_some());
        let place = block.stmts.last().map(place);
        visit(self, block);
        if let (true, Some(Stmt::Expr(last, None)), Some(place)) = (returns_nothing(&signature.output), block.stmts.last_mut(), place)
            && matches!(last, Expr::Call(_) | Expr::MethodCall(_))
            && place.1 != "Ok (())"
            && !calls_invariant(last)
            && let Some(on) = self.mutant(Change::Unfinished, &place)
        {
            *last = parse_quote!(if #on { Ok(()) } else { #last });
        }
        self.is_const = outside;
    }

    /// Only `require!` and `emit!` do something when a program runs.
    fn macro_statement(&mut self, called: &Macro, statement: &mut Stmt) -> syn::Result<()> {
        let place = place(&*statement);
        if called.path.is_ident("require") {
            let arguments = called.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)?;
            let mut arguments = arguments.into_iter();
            let on = self.mutant(Change::Unchecked, &place);
            if let (Some(mut condition), Some(on)) = (arguments.next(), on) {
                self.visit_expr_mut(&mut condition);
                *statement = parse_quote!(require!(#on || (#condition), #(#arguments),*););
            }
        } else if called.path.is_ident("emit")
            && let Some(on) = self.mutant(Change::LeftOut, &place)
        {
            *statement = parse_quote!(if !#on { #statement });
        }
        Ok(())
    }

    fn binary(&mut self, binary: &ExprBinary, place: &(usize, String)) -> Option<Expr> {
        let (left, op, right) = (&binary.left, &binary.op, &binary.right);
        let other: BinOp = match op {
            BinOp::And(_) | BinOp::Or(_) => {
                if [left, right].into_iter().any(|operand| has_let(operand)) {
                    return None;
                }
                let (first, second) = (self.mutant(Change::Left, place)?, self.mutant(Change::Right, place)?);
                return Some(match op {
                    BinOp::And(_) => parse_quote!(((#first || (#left)) && (#second || (#right)))),
                    _ => parse_quote!(((!#first && (#left)) || (!#second && (#right)))),
                });
            }
            BinOp::Add(_) => parse_quote!(-),
            BinOp::Sub(_) => parse_quote!(+),
            BinOp::Lt(_) => parse_quote!(<=),
            BinOp::Le(_) => parse_quote!(<),
            BinOp::Gt(_) => parse_quote!(>=),
            BinOp::Ge(_) => parse_quote!(>),
            BinOp::Eq(_) => parse_quote!(!=),
            BinOp::Ne(_) => parse_quote!(==),
            _ => return None,
        };
        let on = self.mutant(Change::Operator, place)?;
        // The operands may hold mutants of their own, and would grow without bounds if they were written twice at every level.
        Some(match op {
            BinOp::Add(_) | BinOp::Sub(_) => parse_quote!((match (#left, #right) {
                (left, right) => if #on { left #other right } else { left #op right }
            })),
            _ => parse_quote!((match (&(#left), &(#right)) { (left, right) => if #on { *left #other *right } else { *left #op *right } })),
        })
    }
}

impl VisitMut for Mutator<'_> {
    fn visit_item_mut(&mut self, item: &mut Item) {
        let tested = match item {
            Item::Const(_) | Item::Static(_) | Item::Macro(_) => return,
            Item::Mod(module) => is_test(&module.attrs),
            Item::Fn(function) => is_test(&function.attrs),
            _ => false,
        };
        if !tested {
            visit_mut::visit_item_mut(self, item);
        }
    }

    fn visit_item_fn_mut(&mut self, function: &mut ItemFn) {
        self.function(&function.sig, &mut function.block, |this, block| this.visit_block_mut(block));
    }

    fn visit_impl_item_fn_mut(&mut self, function: &mut ImplItemFn) {
        self.function(&function.sig, &mut function.block, |this, block| this.visit_block_mut(block));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        for statement in &mut block.stmts {
            let called = match statement {
                Stmt::Macro(called) => Some(called.mac.clone()),
                Stmt::Expr(Expr::Macro(called), _) => Some(called.mac.clone()),
                _ => None,
            };
            if let Some(called) = called {
                // What does not parse stays as it is.
                let _ = self.macro_statement(&called, statement);
                continue;
            }
            let place = place(&*statement);
            let has_effect = match statement {
                Stmt::Expr(Expr::Binary(binary), Some(_)) => binary.op.to_token_stream().to_string().ends_with('='),
                Stmt::Expr(Expr::Try(tried), Some(_)) => !calls_invariant(&tried.expr),
                Stmt::Expr(expression, Some(_)) => matches!(expression, Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_)),
                _ => false,
            };
            self.visit_stmt_mut(statement);
            if has_effect && let Some(on) = self.mutant(Change::LeftOut, &place) {
                *statement = parse_quote!(if !#on { #statement });
            }
        }
    }

    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        let place = place(&*expression);
        visit_mut::visit_expr_mut(self, expression);
        let mutated = match &*expression {
            Expr::Binary(binary) => self.binary(binary, &place),
            Expr::MethodCall(call) if call.method == "min" || call.method == "max" => call.args.first().and_then(|right| {
                let (left, method) = (&call.receiver, &call.method);
                let (first, second) = (self.mutant(Change::Left, &place)?, self.mutant(Change::Right, &place)?);
                Some(parse_quote!((match (#left, #right) {
                    (left, right) => if #first { right } else if #second { left } else { left.#method(right) }
                })))
            }),
            _ => None,
        };
        if let Some(mutated) = mutated {
            *expression = mutated;
        }
    }

    // Nothing in these is evaluated when a program runs.
    fn visit_expr_repeat_mut(&mut self, repeat: &mut ExprRepeat) {
        self.visit_expr_mut(&mut repeat.expr);
    }
    fn visit_variant_mut(&mut self, _: &mut Variant) {}
    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}
    fn visit_impl_item_const_mut(&mut self, _: &mut ImplItemConst) {}
    fn visit_attribute_mut(&mut self, _: &mut Attribute) {}
    fn visit_type_mut(&mut self, _: &mut Type) {}
    fn visit_pat_mut(&mut self, _: &mut Pat) {}
    fn visit_generic_argument_mut(&mut self, _: &mut GenericArgument) {}
}

/// Line and tokens.
fn place(node: &(impl ToTokens + Spanned)) -> (usize, String) {
    let span: Span = node.span();
    (span.start().line, node.to_token_stream().to_string())
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string();
        text.contains("cfg") && text.contains("test")
    })
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn calls_invariant(expression: &Expr) -> bool {
    matches!(expression, Expr::MethodCall(call) if call.method == INVARIANT)
}

/// Whether a function returns `Result<()>`.
fn returns_nothing(output: &ReturnType) -> bool {
    let text = output.to_token_stream().to_string().replace(' ', "");
    text == "->Result<()>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_statement_and_comparison_has_a_mutant() -> Result<()> {
        let source = "
            const LEAST: u64 = 1 + 2;
            fn pay(books: &mut Books, amount: u64) -> Result<()> {
                require!(amount > 0 && amount <= books.free, Error::Amount);
                books.paid += amount;
                emit!(Paid { amount });
                let most = amount.min(9);
                if let Some(rest) = books.rest && rest == most { books.close()?; }
                books.check();
                books.invariant()?;
                books.audit()
            }
            fn invariant(books: &Books) -> Result<()> {
                require!(books.paid == 0, Error::Broken);
                books.invariant()
            }
            const fn twice(amount: u64) -> u64 { amount + amount }
            fn hour() -> u64 { const { assert!(LEAST == 3) }; LEAST }
        ";
        let mut syntax = syn::parse_file(source)?;
        let mut mutants = Vec::new();
        let mut mutator = Mutator {
            package: "bank",
            file: "pay.rs".to_owned(),
            is_const: false,
            mutants: &mut mutants,
        };
        mutator.visit_file_mut(&mut syntax);
        let found: Vec<_> = mutants.iter().map(|mutant| (mutant.line, mutant.change)).collect();
        use Change::{Left, LeftOut, Operator, Right, Unchecked, Unfinished};
        let expected = [
            (4, Unchecked),
            (4, Operator),
            (4, Operator),
            (4, Left),
            (4, Right),
            (5, LeftOut),
            (6, LeftOut),
            (7, Left),
            (7, Right),
            (8, Operator),
            (8, LeftOut),
            (9, LeftOut),
            (11, Unfinished),
        ];
        assert_eq!(found, expected);
        assert!(mutants.iter().map(|mutant| mutant.number).eq(1..=13));
        // What was built from it is Rust again.
        let text = syntax.into_token_stream().to_string();
        assert!(text.contains("require ! (:: protocol :: mutant :: on (1u16) ||"), "{text}");
        syn::parse_file(&text)?;
        Ok(())
    }
}
