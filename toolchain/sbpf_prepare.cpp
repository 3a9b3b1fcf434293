// An LLVM pass that makes ordinary Rust fit LLVM 22's BPF backend, which
//   1. passes at most five registers to a function,
//   2. refuses functions marked as returning a structure through their first argument, and
//   3. has neither a multiply-high instruction nor library calls, so it cannot lower a 128-bit product
//      or an overflow-checked 64-bit one (`u64::checked_mul`, `a * b` with overflow checks).
// The pass inlines what (1) forbids, drops the mark (2), which changes nothing on this target, and spells (3) out
// in 32-bit limbs. It also hides the dispatch of programs that are used as libraries. README.md says how it is loaded.

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Plugins/PassPlugin.h>

#include <utility>

using namespace llvm;

namespace {

constexpr unsigned MaxArgumentRegisters = 5;
constexpr unsigned WordBits = 64;

/// Registers the calling convention needs for the arguments of `F`.
unsigned argumentRegisters(const Function &F) {
  unsigned Registers = 0;
  for (const Argument &A : F.args())
    Registers += A.getType()->isIntegerTy(2 * WordBits) ? 2 : 1;
  return Registers;
}

/// A 128-bit value in two words.
struct Wide {
  Value *High;
  Value *Low;
};

/// The full product of two words: schoolbook multiplication on 32-bit halves, none of whose sums can overflow a word.
Wide multiplyWords(IRBuilder<> &B, Value *X, Value *Y) {
  Value *Mask = B.getInt64(0xffffffff);
  Value *X0 = B.CreateAnd(X, Mask), *X1 = B.CreateLShr(X, 32);
  Value *Y0 = B.CreateAnd(Y, Mask), *Y1 = B.CreateLShr(Y, 32);
  Value *Low = B.CreateMul(X0, Y0);
  Value *Cross0 = B.CreateAdd(B.CreateMul(X1, Y0), B.CreateLShr(Low, 32));
  Value *Cross1 = B.CreateAdd(B.CreateMul(X0, Y1), B.CreateAnd(Cross0, Mask));
  Value *High = B.CreateAdd(B.CreateMul(X1, Y1), B.CreateAdd(B.CreateLShr(Cross0, 32), B.CreateLShr(Cross1, 32)));
  return {High, B.CreateOr(B.CreateShl(Cross1, 32), B.CreateAnd(Low, Mask))};
}

/// `{product, overflowed}` of a checked multiplication of words.
Value *expandChecked(IRBuilder<> &B, WithOverflowInst &Multiply) {
  Value *X = Multiply.getLHS(), *Y = Multiply.getRHS();
  auto [High, Low] = multiplyWords(B, X, Y);
  Value *FittingHigh = B.getInt64(0);
  if (Multiply.isSigned()) {
    // Read as unsigned, a negative factor is 2^64 too large: take the other factor out of the high word again.
    Value *Zero = B.getInt64(0);
    High = B.CreateSub(High, B.CreateSelect(B.CreateICmpSLT(X, Zero), Y, Zero));
    High = B.CreateSub(High, B.CreateSelect(B.CreateICmpSLT(Y, Zero), X, Zero));
    FittingHigh = B.CreateAShr(Low, WordBits - 1);
  }
  Value *Pair = B.CreateInsertValue(PoisonValue::get(Multiply.getType()), Low, 0);
  return B.CreateInsertValue(Pair, B.CreateICmpNE(High, FittingHigh), 1);
}

/// The low 128 bits of a 128-bit product.
Value *expandWide(IRBuilder<> &B, Instruction &Multiply) {
  Type *Word = B.getInt64Ty(), *Double = Multiply.getType();
  auto Split = [&](Value *V) { return Wide{B.CreateTrunc(B.CreateLShr(V, WordBits), Word), B.CreateTrunc(V, Word)}; };
  Wide X = Split(Multiply.getOperand(0)), Y = Split(Multiply.getOperand(1));
  auto [High, Low] = multiplyWords(B, X.Low, Y.Low);
  High = B.CreateAdd(High, B.CreateAdd(B.CreateMul(X.High, Y.Low), B.CreateMul(X.Low, Y.High)));
  return B.CreateOr(B.CreateShl(B.CreateZExt(High, Double), WordBits), B.CreateZExt(Low, Double));
}

bool isCheckedWordMultiply(const Instruction &I) {
  const auto *Checked = dyn_cast<WithOverflowInst>(&I);
  return Checked && Checked->getBinaryOp() == Instruction::Mul && Checked->getLHS()->getType()->isIntegerTy(WordBits);
}

bool isWideMultiply(const Instruction &I) { return I.getOpcode() == Instruction::Mul && I.getType()->isIntegerTy(2 * WordBits); }

void expandMultiplications(Function &F) {
  SmallVector<Instruction *> Multiplications;
  for (Instruction &I : instructions(F))
    if (isCheckedWordMultiply(I) || isWideMultiply(I))
      Multiplications.push_back(&I);
  for (Instruction *I : Multiplications) {
    IRBuilder<> B(I);
    auto *Checked = dyn_cast<WithOverflowInst>(I);
    I->replaceAllUsesWith(Checked ? expandChecked(B, *Checked) : expandWide(B, *I));
    I->eraseFromParent();
  }
}

void inlineIfTooManyArguments(Function &F) {
  if (argumentRegisters(F) <= MaxArgumentRegisters)
    return;
  F.removeFnAttr(Attribute::NoInline);
  F.removeFnAttr(Attribute::OptimizeNone);
  F.addFnAttr(Attribute::AlwaysInline);
}

/// The caller passes the place of a returned structure as an ordinary first argument either way.
void dropStructReturnMarks(Function &F) {
  for (unsigned Argument = 0; Argument < F.arg_size(); ++Argument)
    F.removeParamAttr(Argument, Attribute::StructRet);
  for (Instruction &I : instructions(F))
    if (auto *Call = dyn_cast<CallBase>(&I))
      for (unsigned Argument = 0; Argument < Call->arg_size(); ++Argument)
        Call->removeParamAttr(Argument, Attribute::StructRet);
}

/// A program crate that is used as a library exports its instruction dispatch for entrypoints written in assembly, of which there are none
/// here. Two such libraries in one program would define the symbol twice, and one alone would keep the whole of it in the program.
void hideDispatch(Function &F) {
  if (F.getName() == "__anchor_dispatch" && !F.isDeclaration())
    F.setLinkage(GlobalValue::InternalLinkage);
}

struct SbpfPrepare : PassInfoMixin<SbpfPrepare> {
  static bool isRequired() { return true; }

  PreservedAnalyses run(Module &M, ModuleAnalysisManager &) {
    for (Function &F : M) {
      dropStructReturnMarks(F);
      if (F.isDeclaration())
        continue;
      hideDispatch(F);
      expandMultiplications(F);
      inlineIfTooManyArguments(F);
    }
    return PreservedAnalyses::none();
  }
};

} // namespace

extern "C" LLVM_ATTRIBUTE_WEAK PassPluginLibraryInfo llvmGetPassPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "SbpfPrepare", "1", [](PassBuilder &Builder) {
            Builder.registerPipelineParsingCallback([](StringRef Name, ModulePassManager &Passes, ArrayRef<PassBuilder::PipelineElement>) {
              if (Name != "sbpf-prepare")
                return false;
              Passes.addPass(SbpfPrepare());
              return true;
            });
          }};
}
