using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace RbdReplication.Ceph;

/// <summary>
/// A cephx key in its base64 text form. Its value never appears in logs, messages or traces: every textual view of it is
/// a fixed mark, and only this assembly can read it.
/// </summary>
public sealed class CephKey
{
    // struct of type (2 bytes, little endian), creation time (8), length (2) and the secret.
    private const int HeadBytes = 12;
    private const int LengthOffset = 10;
    private const int AesType = 1;
    private const int AesBytes = 16;

    private CephKey(string base64, int type)
    {
        Base64 = base64;
        IsAes = type == AesType;
        Fingerprint = FingerprintOf(base64);
    }

    // Each call makes one: what is not cleared stays in memory until the runtime uses it again.
    private static string FingerprintOf(string base64)
    {
        var bytes = Encoding.ASCII.GetBytes(base64);
        var hash = SHA256.HashData(bytes);
        CryptographicOperations.ZeroMemory(bytes);
        return Convert.ToHexString(hash);
    }

    internal string Base64 { get; }

    /// <summary>Whether it is of the kind that every release can read.</summary>
    internal bool IsAes { get; }

    /// <summary>Accepts <paramref name="base64"/> if it can be a cephx key; surrounding blanks and line ends are dropped.</summary>
    /// <returns>Null if it is not base64 or has not the form of a key. Whether the cluster knows it shows when connecting.</returns>
    public static CephKey? TryParse(string base64)
    {
        var text = base64.Trim();
        var bytes = new byte[(text.Length / 4 * 3) + 3];
        var valid = Convert.TryFromBase64String(text, bytes, out var length) && length > HeadBytes;
        var type = valid ? BinaryPrimitives.ReadUInt16LittleEndian(bytes) : 0;
        valid = valid && BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(LengthOffset)) == length - HeadBytes && (type != AesType || length - HeadBytes == AesBytes);
        Array.Clear(bytes);
        return valid ? new CephKey(text, type) : null;
    }

    /// <summary>Tells keys apart without giving them away: the SHA-256 of the key.</summary>
    public string Fingerprint { get; }

    /// <summary>A fixed mark instead of the key.</summary>
    public override string ToString() => "(redacted)";
}
