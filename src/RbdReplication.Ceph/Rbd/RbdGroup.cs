using RbdReplication.Ceph.Interop;

namespace RbdReplication.Ceph;

/// <summary>
/// An RBD group: names images that belong together. An image is in one at most. Groups are not mirrored, their members may be.
/// </summary>
/// <remarks>
/// <c>rbd_group_image_list</c> is not wrapped: it answers that a group is empty where there is no such group, and where one image of it was
/// removed without being taken out (16.2).
/// </remarks>
/// <param name="pool">Pool and rados namespace of the group and of its images.</param>
/// <param name="name">Name of the group.</param>
public sealed class RbdGroup(RadosPool pool, string name)
{
    /// <summary><c>pool/group</c> or <c>pool/namespace/group</c>, for messages.</summary>
    public string Spec => pool.SpecOf(name);

    /// <summary>Creates the group. Wraps <c>rbd_group_create</c>.</summary>
    /// <exception cref="CephException">EEXIST: there is one of this name.</exception>
    public Task CreateAsync(CancellationToken cancellationToken) =>
        ChangeAsync("rbd_group_create", () => Librbd.GroupCreate(pool.Handle, name), cancellationToken);

    /// <summary>Takes all images out of the group, which stay as they are, and removes it. Wraps <c>rbd_group_remove</c>.</summary>
    /// <exception cref="CephException">ENOENT: no such group.</exception>
    public Task RemoveAsync(CancellationToken cancellationToken) =>
        ChangeAsync("rbd_group_remove", () => Librbd.GroupRemove(pool.Handle, name), cancellationToken);

    /// <summary>
    /// Takes an image into the group; one that is in it already, or whose taking in was cut off, is no failure. Wraps <c>rbd_group_image_add</c>.
    /// </summary>
    /// <exception cref="CephException">EEXIST: the image is in another group. ENOENT: no such group or image.</exception>
    public Task AddImageAsync(string imageName, CancellationToken cancellationToken) =>
        ChangeAsync("rbd_group_image_add", () => Librbd.GroupImageAdd(pool.Handle, name, pool.Handle, imageName), cancellationToken);

    /// <summary>
    /// Takes an image out of the group; one that is not in it, or that was removed meanwhile, is no failure. Wraps
    /// <c>rbd_group_image_remove_by_id</c>.
    /// </summary>
    /// <exception cref="CephException">ENOENT: no such group.</exception>
    public Task RemoveImageAsync(string imageId, CancellationToken cancellationToken) =>
        ChangeAsync("rbd_group_image_remove_by_id", () => Librbd.GroupImageRemoveById(pool.Handle, name, pool.Handle, imageId), cancellationToken);

    private Task<long> ChangeAsync(string function, Func<long> call, CancellationToken cancellationToken) =>
        NativeCall.BlockingAsync(function, Spec, pool.Handle, pool.Cluster.Threads.Changes, call, cancellationToken).WaitAsync(cancellationToken);
}

/// <summary>The <see cref="RbdGroup"/> that an image is in.</summary>
/// <param name="Name">Name of the group.</param>
/// <param name="PoolId">Number of the group's pool.</param>
public sealed record GroupOfImage(string Name, long PoolId);
