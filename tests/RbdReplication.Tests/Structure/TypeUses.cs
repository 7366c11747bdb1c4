using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace RbdReplication.Tests.Structure;

/// <summary>A type; one that is nested counts as the type around it.</summary>
/// <param name="Assembly">Name of its assembly.</param>
/// <param name="Namespace">Its namespace.</param>
/// <param name="Name">Its name.</param>
internal sealed record TypeName(string Assembly, string Namespace, string Name);

/// <summary>Reads from an assembly which types each of its types uses: in signatures, fields, attributes and the code itself.</summary>
internal sealed class TypeUses : ISignatureTypeProvider<bool, object?>, IDisposable
{
    private static readonly Dictionary<int, OperandType> Operands = typeof(OpCodes).GetFields(BindingFlags.Static | BindingFlags.Public)
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => (int)(ushort)code.Value, code => code.OperandType);

    private const byte LongOpCode = 0xFE;

    private readonly PEReader _file;
    private readonly MetadataReader _metadata;
    private readonly string _assembly;
    private HashSet<TypeName> _used = [];

    private TypeUses(string path)
    {
        _file = new PEReader(File.OpenRead(path));
        _metadata = _file.GetMetadataReader();
        _assembly = _metadata.GetString(_metadata.GetAssemblyDefinition().Name);
    }

    /// <summary>The uses of the types of ours in an assembly, of each other and of others; what compilers add is left out.</summary>
    public static ILookup<TypeName, TypeName> Of(Assembly assembly)
    {
        using var reader = new TypeUses(assembly.Location);
        return reader._metadata.TypeDefinitions
            .Select(handle => (User: reader.NameOf(handle), Used: reader.UsedBy(handle)))
            .Where(type => IsOurs(type.User))
            .SelectMany(type => type.Used.Where(used => used != type.User && IsOurs(used)).Select(used => (type.User, Used: used)))
            .Distinct()
            .ToLookup(use => use.User, use => use.Used);
    }

    public void Dispose() => _file.Dispose();

    private static bool IsOurs(TypeName type) =>
        (type.Namespace.StartsWith("RbdReplication", StringComparison.Ordinal) || type.Name == nameof(Program)) && !type.Name.StartsWith('<');

    private HashSet<TypeName> UsedBy(TypeDefinitionHandle handle)
    {
        _used = [];
        var type = _metadata.GetTypeDefinition(handle);
        Use(type.BaseType);
        foreach (var implementation in type.GetInterfaceImplementations())
            Use(_metadata.GetInterfaceImplementation(implementation).Interface);
        foreach (var field in type.GetFields().Select(_metadata.GetFieldDefinition))
        {
            field.DecodeSignature(this, null);
            Use(field.GetCustomAttributes());
        }
        foreach (var method in type.GetMethods().Select(_metadata.GetMethodDefinition))
        {
            method.DecodeSignature(this, null);
            Use(method.GetCustomAttributes());
            Use(method.GetGenericParameters());
            if (method.RelativeVirtualAddress != 0)
                Use(_file.GetMethodBody(method.RelativeVirtualAddress));
        }
        Use(type.GetCustomAttributes());
        Use(type.GetGenericParameters());
        return _used;
    }

    private void Use(CustomAttributeHandleCollection attributes)
    {
        foreach (var attribute in attributes)
            Use(_metadata.GetCustomAttribute(attribute).Constructor);
    }

    private void Use(GenericParameterHandleCollection parameters)
    {
        foreach (var constraint in parameters.Select(_metadata.GetGenericParameter).SelectMany(parameter => parameter.GetConstraints()))
            Use(_metadata.GetGenericParameterConstraint(constraint).Type);
    }

    private void Use(MethodBodyBlock body)
    {
        if (!body.LocalSignature.IsNil)
            _metadata.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(this, null);
        foreach (var region in body.ExceptionRegions.Where(region => region.Kind == ExceptionRegionKind.Catch))
            Use(region.CatchType);
        var code = body.GetILReader();
        while (code.RemainingBytes > 0)
        {
            int operation = code.ReadByte();
            if (operation == LongOpCode)
                operation = (operation << 8) | code.ReadByte();
            switch (Operands[operation])
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType:
                    Use((EntityHandle)MetadataTokens.Handle(code.ReadInt32()));
                    break;
                case OperandType.InlineSwitch:
                    var targets = code.ReadInt32();
                    code.Offset += 4 * targets;
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    code.Offset += 1;
                    break;
                case OperandType.InlineVar:
                    code.Offset += 2;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    code.Offset += 8;
                    break;
                default:
                    code.Offset += 4;
                    break;
            }
        }
    }

    private void Use(EntityHandle handle)
    {
        if (handle.IsNil)
            return;
        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition:
                _used.Add(NameOf((TypeDefinitionHandle)handle));
                break;
            case HandleKind.TypeReference:
                _used.Add(NameOf((TypeReferenceHandle)handle));
                break;
            case HandleKind.TypeSpecification:
                _metadata.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, null);
                break;
            case HandleKind.FieldDefinition:
                var field = _metadata.GetFieldDefinition((FieldDefinitionHandle)handle);
                Use(field.GetDeclaringType());
                field.DecodeSignature(this, null);
                break;
            case HandleKind.MethodDefinition:
                var method = _metadata.GetMethodDefinition((MethodDefinitionHandle)handle);
                Use(method.GetDeclaringType());
                method.DecodeSignature(this, null);
                break;
            case HandleKind.MemberReference:
                var member = _metadata.GetMemberReference((MemberReferenceHandle)handle);
                Use(member.Parent);
                if (member.GetKind() == MemberReferenceKind.Field)
                    member.DecodeFieldSignature(this, null);
                else
                    member.DecodeMethodSignature(this, null);
                break;
            case HandleKind.MethodSpecification:
                var instance = _metadata.GetMethodSpecification((MethodSpecificationHandle)handle);
                Use(instance.Method);
                instance.DecodeSignature(this, null);
                break;
        }
    }

    private TypeName NameOf(TypeDefinitionHandle handle)
    {
        var type = _metadata.GetTypeDefinition(handle);
        return type.GetDeclaringType() is { IsNil: false } outer
            ? NameOf(outer)
            : new TypeName(_assembly, _metadata.GetString(type.Namespace), _metadata.GetString(type.Name));
    }

    private TypeName NameOf(TypeReferenceHandle handle)
    {
        var type = _metadata.GetTypeReference(handle);
        return type.ResolutionScope.Kind switch
        {
            HandleKind.TypeReference => NameOf((TypeReferenceHandle)type.ResolutionScope),
            HandleKind.AssemblyReference => new TypeName(
                _metadata.GetString(_metadata.GetAssemblyReference((AssemblyReferenceHandle)type.ResolutionScope).Name), _metadata.GetString(type.Namespace), _metadata.GetString(type.Name)),
            _ => new TypeName(_assembly, _metadata.GetString(type.Namespace), _metadata.GetString(type.Name)),
        };
    }

    bool ISimpleTypeProvider<bool>.GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) => _used.Add(NameOf(handle));

    bool ISimpleTypeProvider<bool>.GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => _used.Add(NameOf(handle));

    bool ISignatureTypeProvider<bool, object?>.GetTypeFromSpecification(MetadataReader reader, object? context, TypeSpecificationHandle handle, byte rawTypeKind)
    {
        Use(handle);
        return true;
    }

    bool ISimpleTypeProvider<bool>.GetPrimitiveType(PrimitiveTypeCode typeCode) => true;

    bool ISZArrayTypeProvider<bool>.GetSZArrayType(bool elementType) => true;

    bool IConstructedTypeProvider<bool>.GetArrayType(bool elementType, ArrayShape shape) => true;

    bool IConstructedTypeProvider<bool>.GetByReferenceType(bool elementType) => true;

    bool IConstructedTypeProvider<bool>.GetPointerType(bool elementType) => true;

    bool IConstructedTypeProvider<bool>.GetGenericInstantiation(bool genericType, ImmutableArray<bool> typeArguments) => true;

    bool ISignatureTypeProvider<bool, object?>.GetFunctionPointerType(MethodSignature<bool> signature) => true;

    bool ISignatureTypeProvider<bool, object?>.GetGenericMethodParameter(object? context, int index) => true;

    bool ISignatureTypeProvider<bool, object?>.GetGenericTypeParameter(object? context, int index) => true;

    bool ISignatureTypeProvider<bool, object?>.GetModifiedType(bool modifier, bool unmodifiedType, bool isRequired) => true;

    bool ISignatureTypeProvider<bool, object?>.GetPinnedType(bool elementType) => true;
}
