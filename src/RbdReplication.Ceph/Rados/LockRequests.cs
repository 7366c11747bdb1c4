using System.Buffers.Binary;
using System.Text;

namespace RbdReplication.Ceph;

/// <summary>
/// What the object class <c>lock</c> takes, in Ceph's encoding (<c>cls_lock_lock_op</c> and <c>cls_lock_unlock_op</c>), whose first
/// version librbd of every release sends and every OSD reads.
/// </summary>
internal static class LockRequests
{
    private const byte Version = 1;
    private const byte Exclusive = 1;
    private const byte MayRenew = 1;

    /// <summary>Name, type, cookie, tag, description, duration (seconds and nanoseconds), flags.</summary>
    public static byte[] Lock(string name, string cookie, string description, TimeSpan lease)
    {
        using var body = new MemoryStream();
        Write(body, name);
        body.WriteByte(Exclusive);
        Write(body, cookie);
        Write(body, "");
        Write(body, description);
        Write(body, (uint)lease.TotalSeconds);
        Write(body, 0);
        body.WriteByte(MayRenew);
        return Versioned(body);
    }

    /// <summary>Name and cookie.</summary>
    public static byte[] Unlock(string name, string cookie)
    {
        using var body = new MemoryStream();
        Write(body, name);
        Write(body, cookie);
        return Versioned(body);
    }

    // Version, the oldest version that can read it, length.
    private static byte[] Versioned(MemoryStream body)
    {
        using var whole = new MemoryStream();
        whole.WriteByte(Version);
        whole.WriteByte(Version);
        Write(whole, (uint)body.Length);
        body.WriteTo(whole);
        return whole.ToArray();
    }

    private static void Write(MemoryStream to, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Write(to, (uint)bytes.Length);
        to.Write(bytes);
    }

    private static void Write(MemoryStream to, uint number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
        to.Write(bytes);
    }
}
