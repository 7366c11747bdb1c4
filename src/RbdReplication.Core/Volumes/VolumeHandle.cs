using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace RbdReplication.Core;

/// <summary>
/// A CSI volume handle as ceph-csi makes it, for example
/// <c>0001-0009-rook-ceph-0000000000000002-0c23de1c-18fb-11eb-a903-0242ac110005</c>: version, length of the cluster id in
/// bytes, cluster id, pool number (hexadecimal) and the volume's uuid, which is the same at both sites.
/// </summary>
/// <param name="ClusterId">Cluster id, as in the cluster configuration; 1 to 64 bytes.</param>
/// <param name="PoolId">Pool number at the site that made the handle.</param>
/// <param name="Uuid">The volume's uuid, 36 characters, as it was written.</param>
public sealed record VolumeHandle(string ClusterId, long PoolId, string Uuid)
{
    /// <summary>Longest handle in bytes; the CSI specification's limit.</summary>
    public const int MaximumBytes = 128;

    /// <summary>Characters of a uuid.</summary>
    public const int UuidLength = 36;

    private const int VersionLength = 4;
    private const int SizeLength = 4;
    private const int PoolLength = 16;
    private const int FixedLength = VersionLength + 1 + SizeLength + 1 + 1 + PoolLength + 1 + UuidLength;

    private static readonly SearchValues<byte> HexDigits = SearchValues.Create("0123456789abcdefABCDEF"u8);

    /// <summary>Reads a handle.</summary>
    /// <param name="text">What the caller sent; may be anything.</param>
    /// <param name="handle">The handle.</param>
    /// <param name="problem">Otherwise what is wrong with it, without repeating it.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out VolumeHandle? handle, [NotNullWhen(false)] out string? problem)
    {
        handle = null;
        problem = null;
        if (text.Length > MaximumBytes)
            return Fail($"it has {text.Length} characters, more than {MaximumBytes}", out problem);

        // The length field counts bytes, and a cluster id may hold characters of several.
        Span<byte> bytes = stackalloc byte[MaximumBytes];
        if (Utf8.FromUtf16(text, bytes, out _, out var length, replaceInvalidSequences: false) != OperationStatus.Done)
            return Fail($"it is longer than {MaximumBytes} bytes or no valid text", out problem);
        bytes = bytes[..length];
        if (length < FixedLength)
            return Fail($"it has {length} bytes, fewer than the {FixedLength} of the fixed parts", out problem);
        if (!TryReadHex(bytes[..VersionLength], out var version))
            return Fail("its version is not four hexadecimal digits", out problem);
        if (version != 1)
            return Fail($"its version is {version}, and only version 1 is known", out problem);
        if (!TryReadHex(bytes.Slice(VersionLength + 1, SizeLength), out var size))
            return Fail("the length of its cluster id is not four hexadecimal digits", out problem);
        if ((ulong)length != FixedLength + size)
            return Fail($"it has {length} bytes, and {FixedLength + size} go with a cluster id of {size} bytes", out problem);
        if (size == 0)
            return Fail("its cluster id is empty", out problem);

        var cluster = bytes.Slice(VersionLength + 1 + SizeLength + 1, (int)size);
        var rest = bytes[(VersionLength + 1 + SizeLength + 1 + (int)size)..];
        if (bytes[VersionLength] != '-' || bytes[VersionLength + 1 + SizeLength] != '-' || rest[0] != '-' || rest[1 + PoolLength] != '-')
            return Fail("a dash between its parts is missing", out problem);
        var clusterId = Encoding.UTF8.GetString(cluster);
        if (clusterId.Any(char.IsControl))
            return Fail("its cluster id holds control characters", out problem);
        if (!TryReadHex(rest.Slice(1, PoolLength), out var pool))
            return Fail("its pool number is not sixteen hexadecimal digits", out problem);
        var uuid = Encoding.UTF8.GetString(rest[(2 + PoolLength)..]);
        if (!IsUuid(uuid))
            return Fail("its last 36 characters are not a uuid", out problem);

        handle = new VolumeHandle(clusterId, (long)pool, uuid);
        return true;
    }

    /// <summary>Whether <paramref name="text"/> has the form of a uuid: hexadecimal digits and dashes, of any version.</summary>
    public static bool IsUuid(string text)
    {
        // Guid.TryParseExact takes signs and 0x inside the groups as well.
        if (text.Length != UuidLength)
            return false;
        for (var i = 0; i < text.Length; i++)
        {
            if (i is 8 or 13 or 18 or 23 ? text[i] != '-' : !char.IsAsciiHexDigit(text[i]))
                return false;
        }
        return true;
    }

    /// <summary>The handle of the same volume under another cluster id and pool number.</summary>
    /// <exception cref="ArgumentException">The cluster id is empty or makes the handle longer than <see cref="MaximumBytes"/>.</exception>
    public VolumeHandle WithLocation(string clusterId, long poolId)
    {
        var size = Encoding.UTF8.GetByteCount(clusterId);
        return size is > 0 and <= MaximumBytes - FixedLength
            ? this with { ClusterId = clusterId, PoolId = poolId }
            : throw new ArgumentException($"the cluster id must have 1 to {MaximumBytes - FixedLength} bytes, and it has {size}", nameof(clusterId));
    }

    /// <summary>The handle as text.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"0001-{Encoding.UTF8.GetByteCount(ClusterId):x4}-{ClusterId}-{PoolId:x16}-{Uuid}");

    private static bool TryReadHex(ReadOnlySpan<byte> digits, out ulong value)
    {
        value = 0;
        // The parser alone takes NULs behind the digits.
        return !digits.ContainsAnyExcept(HexDigits) && ulong.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    private static bool Fail(string reason, out string problem)
    {
        problem = reason;
        return false;
    }
}
