using RbdReplication.Ceph.Interop;

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
    public static byte[] Lock(string name, string cookie, string description, TimeSpan lease) => Encode(new EncodedWriter()
        .WriteText(name)
        .WriteByte(Exclusive)
        .WriteText(cookie)
        .WriteText("")
        .WriteText(description)
        .WriteUInt32((uint)lease.TotalSeconds)
        .WriteUInt32(0)
        .WriteByte(MayRenew));

    /// <summary>Name and cookie.</summary>
    public static byte[] Unlock(string name, string cookie) => Encode(new EncodedWriter().WriteText(name).WriteText(cookie));

    private static byte[] Encode(EncodedWriter content) => new EncodedWriter().WriteStructure(Version, content).ToArray();
}
