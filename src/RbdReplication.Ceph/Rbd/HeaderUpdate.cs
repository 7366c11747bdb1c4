using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// What librbd tells all that have an image open when its header has changed: they read it again. Nothing else comes of it
/// (<c>librbd::watch_notify::HeaderUpdatePayload</c>; the same from 16.2 to 20.2).
/// </summary>
public static class HeaderUpdate
{
    // The first version of the message, which all later ones read.
    private const byte Version = 1;

    private const uint Operation = 3;

    // How long whoever hears it may take to say so.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Tells them, and waits until all have heard it. Wraps <c>rados_aio_notify</c>.</summary>
    /// <exception cref="CephException">ETIMEDOUT: one of them has not said so in five seconds. ENOENT: the image is gone.</exception>
    public static Task AnnounceAsync(RbdImage image, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        var pool = image.Pool;
        var header = StoredMetadata.ObjectOf(image.GetId());
        return NativeCall.RunAsync(
            ClientLibrary.Rados, "rados_aio_notify", image.Spec, pool.Handle,
            completion => Librados.AioNotify(pool.Handle, header, completion, Message, Message.Length, (ulong)Patience.TotalMilliseconds, 0, 0), cancellationToken);
    }

    internal static byte[] Message { get; } = new EncodedWriter().WriteStructure(Version, new EncodedWriter().WriteUInt32(Operation)).ToArray();
}
